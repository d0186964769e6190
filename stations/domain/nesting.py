"""How deeply JSON may be nested, looked at without parsing it."""

MAX_DEPTH = 32

ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def is_deep(raw: bytes) -> bool:
    """Whether brackets are nested too deeply; those inside of texts count as well."""
    brackets = raw.translate(None, ALL_BUT_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if not brackets:
            return False
    return True
