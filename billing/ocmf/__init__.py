"""Open Charge Metering Format: read as it came, verified over exactly the bytes that were signed (billing B-60 to B-62)."""
