"""Development settings (``DEBUG=1``): detailed errors, unknown stations are told apart (P009)."""

from portal.settings.base import *

DEBUG = True
SECRET_KEY = SECRET_KEY or "development-only-key-without-any-value"
DATA_KEYS = DATA_KEYS or "dev:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
OCPP_HIDE_UNKNOWN_STATIONS = env.bool("OCPP_HIDE_UNKNOWN_STATIONS", default=False)
