"""Settings of the test suite: production behaviour, fast password hashing, known keys, no limits in the way."""

from portal.settings.base import *

DEBUG = False
SECRET_KEY = "test-key-of-the-suite-only-never-deployed-anywhere"
DATA_KEYS = DATA_KEYS or "t1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
OCPP_HIDE_UNKNOWN_STATIONS = env.bool("OCPP_HIDE_UNKNOWN_STATIONS", default=False)
API_RATE_PER_SECOND = env.int("API_RATE_PER_SECOND", default=100_000)
API_RATE_BURST = env.int("API_RATE_BURST", default=100_000)
STATIC_ROOT, STATICFILES_DIRS = BASE_DIR / "static", []
WHITENOISE_USE_FINDERS = True
