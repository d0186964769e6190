"""Dates as everybody reads them alike: 2 Nov 2026, not 11/02/2026."""

SHORT_DATE_FORMAT = "j M Y"
