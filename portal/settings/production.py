"""Production: what `manage.py up` runs with. Refuses to start without keys, database and hosts."""

from django.core.exceptions import ImproperlyConfigured

from portal.settings.base import *

DEBUG = False

MISSING = [
    name for name in ("SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS", "DATA_KEYS") if not env.str(name, "")
]
if MISSING:
    raise ImproperlyConfigured(
        f"Not set: {', '.join(MISSING)}. Set them in the environment, or start `manage.py up`, "
        "which makes its own in the data directory."
    )

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
