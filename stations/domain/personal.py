"""What identifies drivers in messages, shortened for those who may not see it (ocpp.md section 5)."""

import re

KEPT = 4
NAMES = ("idTag", "parentIdTag", "idToken", "groupIdToken", "additionalIdToken", "emaid", "eMAID", "evccid")
# Of the text, not of what it says: it may be no JSON, and has to stay as it came otherwise. Takes linear time.
_TOKEN = re.compile(rf'("(?:{"|".join(NAMES)})"\s*:\s*")((?:[^"\\]|\\.)*)', re.IGNORECASE)
_ODD = re.compile(r"[^0-9A-Za-z]")


def shortened(text: str) -> str:
    """The text of a message with the last characters of each token alone: at most half of it, four at most."""
    return _TOKEN.sub(lambda found: f"{found[1]}…{_end(found[2])}", text)


def _end(value: str) -> str:
    plain = _ODD.sub("", value)
    return plain[max(len(plain) - KEPT, len(plain) - len(plain) // 2) :]
