"""Drivers' pages: the account area `/me/` and the page behind a charger's QR code, `/c/<code>`."""
