"""Dates and times as everybody reads them alike: 2 Nov 2026, 15:04, and not 11/02/2026 3:04 p.m."""

SHORT_DATE_FORMAT = "j M Y"
MONTH_DAY_FORMAT = "j M"
SHORT_DATETIME_FORMAT = "j M Y, H:i"
