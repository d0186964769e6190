"""Keys outside the database (``DATA_KEYS``): keyed hashes of machine secrets, sealed values.

``DATA_KEYS`` is ``id:base64,id:base64``, newest first, each 32 bytes. New values take the newest key and
keep its id, so that keys can be rotated (security.md K-05).
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

NONCE_BYTES = 12


@lru_cache(maxsize=4)
def _parse(text: str) -> Mapping[str, bytes]:
    keys: dict[str, bytes] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key_id, _, encoded = part.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise ImproperlyConfigured(f"DATA_KEYS: the key {key_id!r} is not base64: {error}.") from error
        if len(key) != 32:
            raise ImproperlyConfigured(f"DATA_KEYS: the key {key_id!r} has {len(key)} bytes instead of 32.")
        keys[key_id] = key
    if not keys:
        raise ImproperlyConfigured("DATA_KEYS is empty: give at least one `id:base64` of 32 random bytes.")
    return keys


@lru_cache(maxsize=64)
def _derived(text: str, key_id: str, purpose: str) -> bytes:
    return hmac.digest(_parse(text)[key_id], purpose.encode(), "sha256")


def newest_id() -> str:
    """The id of the key that new values take."""
    return next(iter(_parse(settings.DATA_KEYS)))


def ids() -> tuple[str, ...]:
    """The ids of all keys, newest first."""
    return tuple(_parse(settings.DATA_KEYS))


def knows(key_id: str) -> bool:
    return key_id in _parse(settings.DATA_KEYS)


def keyed_hash(key_id: str, purpose: str, *parts: bytes) -> bytes:
    """HMAC-SHA-256 over the parts under a key derived for the purpose; about 3 microseconds."""
    return hmac.digest(_derived(settings.DATA_KEYS, key_id, purpose), b"".join(parts), "sha256")


def seal(plain: str, *, purpose: str) -> str:
    """Encrypt a text (AES-256-GCM); the answer names its key and can only be opened for the same purpose."""
    key_id, nonce = newest_id(), os.urandom(NONCE_BYTES)
    cipher = AESGCM(_derived(settings.DATA_KEYS, key_id, purpose))
    sealed = cipher.encrypt(nonce, plain.encode(), purpose.encode())
    return f"{key_id}:{base64.b64encode(nonce + sealed).decode()}"


def unseal(sealed: str, *, purpose: str) -> str:
    """What :func:`seal` was given. Raises ``InvalidTag`` when it was altered or sealed for something else."""
    key_id, _, encoded = sealed.partition(":")
    raw = base64.b64decode(encoded)
    cipher = AESGCM(_derived(settings.DATA_KEYS, key_id, purpose))
    return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], purpose.encode()).decode()


def digest(secret: str) -> bytes:
    """SHA-256 of a machine-made secret of at least 128 random bits (API keys, link tokens)."""
    return hashlib.sha256(secret.encode()).digest()
