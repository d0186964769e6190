"""Open Charge Metering Format: read as it came, verified over exactly the signed bytes (billing B-60 to B-62)."""
