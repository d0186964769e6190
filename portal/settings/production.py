"""Production: what `manage.py up` runs with. Refuses to start without keys, database and hosts."""

from django.core.exceptions import ImproperlyConfigured
from whitenoise.compress import Compressor

from portal.settings.base import *

DEBUG = False

MISSING = [
    name for name in ("SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS", "DATA_KEYS") if not env.str(name, "")
]
if MISSING:
    raise ImproperlyConfigured(
        f"Not set: {', '.join(MISSING)}. No portal runs on the data directory {DATA_DIR}: start `manage.py up`, "
        "which makes its own, name another directory with --data-dir, or set them in the environment."
    )

STORAGES["staticfiles"] = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
# Maps are for who looks into scripts; they took half of the time that all files took.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = [*Compressor.SKIP_COMPRESS_EXTENSIONS, "map"]
