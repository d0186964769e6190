"""Documents of an issued invoice, made of its snapshot and nothing else (billing section 12)."""
