"""Settings of the yardstick."""

import environ

env = environ.Env()
SECRET_KEY = "yardstick"
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["channels", "benchmarks.straightforward"]
DATABASES = {"default": {**env.db_url("DATABASE_URL"), "CONN_MAX_AGE": None}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
ASGI_APPLICATION = "benchmarks.straightforward.asgi.application"
