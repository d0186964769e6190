"""What holds in every deployment. Values come from the environment (README, "Settings")."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from portal import runtime
from stations.domain.certificates import INSTALLABLE, RENEWABLE, CertificateUse, SigningStatus, SigningUse
from stations.domain.displays import STATES
from stations.domain.firmware import JobStatus
from stations.domain.reservations import ReservationStatus
from stations.domain.rollouts import Progress, RolloutStatus
from stations.domain.words import CommandStatus, TransactionStatus, Version
from tariffs.structure import TariffType


class Environment(environ.Env):  # type: ignore[misc]  # django-environ ships no types
    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        """Names the variable whose value cannot be read."""
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} cannot be read: {error}.") from error


env = Environment()

BASE_DIR = Path(__file__).resolve().parent.parent.parent
DATA_DIR = runtime.data_dir()

PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000").rstrip("/")
HTTPS = urlsplit(PUBLIC_URL).scheme == "https"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
SECRET_KEY = env.str("SECRET_KEY", default="")
DATA_KEYS = env.str("DATA_KEYS", default="")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.admin",
    "django.contrib.postgres",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "channels",
    "csp",
    "django_htmx",
    "template_partials",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "django_filters",
    "core",
    "tariffs",
    "drivers",
    "stations",
    "billing",
    "portal",
    "portal.dashboard",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.RequestIdMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.middleware.SessionLimitMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.dashboard.context.page",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# -- database: PostgreSQL only. The pool bounds connections per process and drops broken ones. --------
DATABASES = {"default": env.db_url("DATABASE_URL", default="postgres:///chargeyard")}
DATABASES["default"].update(
    ENGINE="django.db.backends.postgresql",
    CONN_MAX_AGE=0,
    CONN_HEALTH_CHECKS=True,
)
DATABASES["default"].setdefault("OPTIONS", {}).update(
    pool={
        "min_size": 2,
        "max_size": env.int("DATABASE_POOL_MAX", default=24),
        "timeout": env.int("DATABASE_POOL_TIMEOUT", default=10),
    },
    connect_timeout=5,
    prepare_threshold=5,  # only core.statements prepares; Django's own cursors never do
)
# Off behind a pooler that hands out connections by transaction and knows no prepared statements.
DATABASE_PREPARE = env.bool("DATABASE_PREPARE", default=True)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- Valkey: wake-ups and live updates; the truth is never kept there -----------------------------------
VALKEY_URL = env.str("VALKEY_URL", default="redis://127.0.0.1:6379/0")
CACHES = {
    "default": {"BACKEND": "portal.cache.ValkeyCache", "LOCATION": VALKEY_URL},
}

CELERY_BROKER_URL = VALKEY_URL
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_TIME_LIMIT = 900
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_CONSUMER = "portal.broker:Consumer"
CELERY_BEAT_SCHEDULER = "portal.broker:Scheduler"
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")

# User.email is unique without regard to case, by a constraint that this check does not know.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]

# -- people ------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "core.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
ACCOUNT_ADAPTER = "portal.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_LOGIN_BY_CODE_ENABLED = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
PASSWORD_RESET_TIMEOUT = 3600
MFA_ADAPTER = "portal.accounts.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Chargeyard"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# -- headers -----------------------------------------------------------------------------------------------
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked behind the edge, by plain http
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# -- texts, time, files ------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "portal.formats"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"  # the program itself may be read-only
STATICFILES_DIRS = [BASE_DIR / "static"]
# Firmware, logs of stations and files of invoices (billing section 12): on this machine's disk, or in a bucket.
FILES_URL = env.str("FILES_URL", default="").rstrip("/") or PUBLIC_URL
FILES_DIR = env.str("FILES_DIR", default="") or str(DATA_DIR / "files")
DOCUMENTS_DIR = env.str("DOCUMENTS_DIR", default="") or str(DATA_DIR / "documents")
FILES_S3_BUCKET = env.str("FILES_S3_BUCKET", default="")
FIRMWARE_MAX_BYTES = env.int("FIRMWARE_MAX_BYTES", default=200_000_000)
LOG_FILE_MAX_BYTES = env.int("LOG_FILE_MAX_BYTES", default=200_000_000)
LOG_FILE_RETENTION_DAYS = env.int("LOG_FILE_RETENTION_DAYS", default=30)
# Terms of billing section 14: days until sessions lose their person (0: never), and years of documents by country.
PERSON_DATA_DAYS = env.int("PERSON_DATA_DAYS", default=1096)
RETENTION_YEARS = env.dict("RETENTION_YEARS", cast={"value": int}, default={})
if PERSON_DATA_DAYS and PERSON_DATA_DAYS < 90:
    raise ImproperlyConfigured(
        "PERSON_DATA_DAYS is 0 or at least 90: sessions are billed and disputed first."
    )
# Uploads of old stations by FTP (`manage.py serve_ftp`); 0: switched off.
FTP_HOST = env.str("FTP_HOST", default="") or urlsplit(FILES_URL).hostname or "127.0.0.1"
FTP_PORT = env.int("FTP_PORT", default=0)
FTP_PASSIVE_PORTS = env.str("FTP_PASSIVE_PORTS", default="")
FTP_PASSIVE_ADDRESS = env.str("FTP_PASSIVE_ADDRESS", default="")
FTP_CONNECTIONS = env.int("FTP_CONNECTIONS", default=50)
FTP_CONNECTIONS_PER_ADDRESS = env.int("FTP_CONNECTIONS_PER_ADDRESS", default=10)
FTP_IDLE_SECONDS = env.int("FTP_IDLE_SECONDS", default=60)
FTP_CERTIFICATE = env.str("FTP_CERTIFICATE", default="")
FTP_KEY = env.str("FTP_KEY", default="")
FILES_S3_PREFIX = env.str("FILES_S3_PREFIX", default="")


def _store(folder: str, directory: str) -> dict[str, Any]:
    """Files that are never served as they are: in the bucket where there is one, else in a directory of ours."""
    if not FILES_S3_BUCKET:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {
                "location": directory,
                "base_url": None,
                "file_permissions_mode": 0o600,
                "directory_permissions_mode": 0o700,
            },
        }
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": FILES_S3_BUCKET,
            "endpoint_url": env.str("FILES_S3_ENDPOINT", default="") or None,
            "region_name": env.str("FILES_S3_REGION", default="") or None,
            "access_key": env.str("FILES_S3_KEY_ID", default="") or None,
            "secret_key": env.str("FILES_S3_SECRET", default="") or None,
            "location": f"{FILES_S3_PREFIX.strip('/')}/{folder}".strip("/"),
            "default_acl": None,
            "file_overwrite": False,
            "querystring_auth": True,
            "max_memory_size": 1_048_576,
        },
    }


STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "files": _store("files", FILES_DIR),
    "documents": _store("documents", DOCUMENTS_DIR),
}
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Chargeyard <no-reply@localhost>")

# -- REST --------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portal.api.authentication.KeyAuthentication",
        "portal.api.authentication.BrowserAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["portal.api.permissions.HasPermission"],
    "DEFAULT_RENDERER_CLASSES": ["portal.api.renderers.JsonRenderer", "portal.api.renderers.CsvRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "portal.api.pagination.Cursor",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "portal.api.schema.AutoSchema",
    "EXCEPTION_HANDLER": "portal.api.errors.problem",
    "DEFAULT_VERSIONING_CLASS": None,
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Chargeyard REST API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "portal.api.schema.name_commands",
        "portal.api.schema.drop_defaults_of_nothing",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ProfilePurposeEnum": "portal.api.command_bodies.smart_charging.PURPOSES",
        "SendablePurposeEnum": "portal.api.command_bodies.smart_charging.SENDABLE",
        "ProfileKindEnum": "portal.api.command_bodies.smart_charging.KINDS",
        "RateUnitEnum": "stations.domain.smart_charging.RATE_UNITS",
        "PayerKindEnum": "portal.api.payer_details.KINDS",
        "CertificateUseEnum": [(use.value, use.value) for use in CertificateUse],
        "InstallableCertificateEnum": [(use.value, use.value) for use in INSTALLABLE],
        "RenewableCertificateEnum": [(use, use) for use in RENEWABLE],
        "RequestedCertificateEnum": [(use.value, use.value) for use in SigningUse],
        "CommandStatusEnum": [(word.value, word.value) for word in CommandStatus],
        "ReservationStatusEnum": [(word.value, word.value) for word in ReservationStatus],
        "PlanStatusEnum": [(word, word) for word in ("planned", "done", "cancelled")],
        "JobStatusEnum": [(word.value, word.value) for word in JobStatus],
        "SigningStatusEnum": [(word.value, word.value) for word in SigningStatus],
        "DisplayStateEnum": [(word, word) for word in STATES],
        "ReportEnum": "portal.api.command_bodies.device_model.REPORTS",
        "ReportCriterionEnum": "portal.api.command_bodies.device_model.REPORT_CRITERIA",
        "LogEnum": "portal.api.command_bodies.firmware.LOGS",
        "MonitoringCriterionEnum": "portal.api.command_bodies.monitoring.MONITORING_CRITERIA",
        "OcppVersionEnum": [(version.value, version.value) for version in Version],
        "ResetEnum": "portal.api.command_bodies.remote_control.RESETS",
        "MonitorTypeEnum": "portal.api.command_bodies.monitoring.MONITOR_TYPES",
        "TokenTypeEnum": "drivers.models.TokenType",
        "TokenStatusEnum": "drivers.models.TokenStatus",
        "ErasureStateEnum": "drivers.models.erasures.ErasureState",
        "InvitationStateEnum": "portal.api.driver_accounts.STATES",
        "MailStateEnum": "core.models.mails.MailState",
        "DriverStatusEnum": "drivers.models.drivers.DriverStatus",
        "TransactionStatusEnum": [(word.value, word.value) for word in TransactionStatus],
        "TariffStateEnum": [(word, word) for word in ("draft", "published", "retired")],
        "TariffTypeEnum": [(word.value, word.value) for word in TariffType],
        "BudgetKindEnum": [(word, word) for word in ("energy_wh", "duration_s", "soc_percent", "cost")],
        "CostStateEnum": "stations.models.frozen_tariffs.CostState",
        "WebhookStateEnum": "core.models.webhooks.Webhook.State",
        "BillingAccountKindEnum": "billing.models.accounts.AccountKind",
        "BillingRunStatusEnum": "billing.models.runs.RunState",
        "BillingRunKindEnum": "billing.models.runs.RunKind",
        "SupplyTaxEnum": "billing.models.statements.SupplyTax",
        "InvoiceKindEnum": "billing.models.invoices.InvoiceKind",
        "InvoiceStatusEnum": "billing.models.invoices.InvoiceState",
        "MovementKindEnum": "billing.models.movements.Movement",
        "MovementDifferenceEnum": "billing.models.movements.Difference",
        "BankLineStatusEnum": "billing.models.bank.LineState",
        "DunningStepEnum": "billing.models.dunning.DunningKind",
        "DunningHoldEnum": "billing.models.dunning.HoldKind",
        "DunningStepStatusEnum": "billing.models.dunning.StepState",
        "DunningStopEnum": "portal.api.dunning.STOPS",
        "DebitObstacleEnum": "portal.api.debit_preview.OBSTACLES",
        "DebitFileStatusEnum": "billing.models.mandates.DebitFileState",
        "MandateStatusEnum": "billing.models.mandates.MandateState",
        "MandateTypeEnum": "billing.models.mandates.MandateType",
        "PaymentMethodEnum": "billing.models.payments.Method",
        "PaymentProviderEnum": "billing.models.provider.ProviderKind",
        "PaymentPurposeEnum": "billing.models.payments.Purpose",
        "PaymentStatusEnum": "billing.models.payments.PaymentState",
        "RefundStatusEnum": "billing.models.payments.RefundState",
        "RecordedMethodEnum": "portal.api.invoices.BY_HAND",
        "DeliveryStatusEnum": "core.models.webhooks.Delivery.Status",
        "RolloutStatusEnum": [(word.value, word.value) for word in RolloutStatus],
        "RolloutProgressEnum": [(word.value, word.value) for word in Progress],
        "EventTypeEnum": "portal.api.events.EVENT_TYPES",
    },
}
API_RATE_PER_SECOND = env.int("API_RATE_PER_SECOND", default=20)
API_RATE_BURST = env.int("API_RATE_BURST", default=100)
SECOND_PERSON_ABOVE = env.int("SECOND_PERSON_ABOVE", default=20)
LOCK_TIMEOUT_S = env.float("LOCK_TIMEOUT_S", default=5.0)

# Which sessions count in budgets of money: stations do not know of billing.
CHARGED_SESSIONS = "billing.services.home_sessions.consumed"

# -- what goes out to addresses that others chose (docs/operators/security.md) -----------------------------
EVENTS_KEPT_DAYS = env.int("EVENTS_KEPT_DAYS", default=30)
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="https://api.stripe.com")
EGRESS_ALLOW = tuple(env.list("EGRESS_ALLOW", default=[]))
CERTIFICATE_SIGNER = env.str("CERTIFICATE_SIGNER", default="")
CONTRACT_PROVIDER = env.str("CONTRACT_PROVIDER", default="")

# -- the chargers' door (spec: docs/operators/settings.md) --------------------------------------------------
OCPP_HIDE_UNKNOWN_STATIONS = env.bool("OCPP_HIDE_UNKNOWN_STATIONS", default=True)
OCPP_AUTO_REGISTER = env.bool("OCPP_AUTO_REGISTER", default=False)
OCPP_ALLOW_UNAUTHENTICATED = env.bool("OCPP_ALLOW_UNAUTHENTICATED", default=False)
OCPP_TRUSTED_PROXY_SECRET = env.str("OCPP_TRUSTED_PROXY_SECRET", default="")
OCPP_DEFAULT_LENIENT = env.bool("OCPP_DEFAULT_LENIENT", default=False)
OCPP_MAX_MESSAGE_BYTES = env.int("OCPP_MAX_MESSAGE_BYTES", default=1_048_576)
OCPP_CALL_TIMEOUT = env.int("OCPP_CALL_TIMEOUT", default=30)
OCPP_COMMAND_QUEUE_MAX = env.int("OCPP_COMMAND_QUEUE_MAX", default=50)
OCPP_HANDLER_DEADLINE = env.int("OCPP_HANDLER_DEADLINE", default=20)
OCPP_PING_INTERVAL = env.int("OCPP_PING_INTERVAL", default=25)
OCPP_HEARTBEAT_INTERVAL = env.int("OCPP_HEARTBEAT_INTERVAL", default=300)
OCPP_BOOT_DEADLINE = env.int("OCPP_BOOT_DEADLINE", default=60)
OCPP_UNREADY_AFTER = env.int("OCPP_UNREADY_AFTER", default=30)
OCPP_DRAIN_SPREAD = env.int("OCPP_DRAIN_SPREAD", default=20)
OCPP_ORPHAN_GRACE_HOURS = env.int("OCPP_ORPHAN_GRACE", default=24)
OCPP_LOG_MAX_BYTES = env.int("OCPP_LOG_MAX_BYTES", default=65_536)
OCPP_LOG_RETENTION_DAYS = env.int("OCPP_LOG_RETENTION_DAYS", default=30)
OCPP_READING_RETENTION_DAYS = env.int("OCPP_READING_RETENTION_DAYS", default=730)
OCPP_MINUTE_RETENTION_DAYS = env.int("OCPP_MINUTE_RETENTION_DAYS", default=1096)
OCPP_QUARTER_RETENTION_DAYS = env.int("OCPP_QUARTER_RETENTION_DAYS", default=3653)
OCPP_UPGRADE_RATE_PER_SECOND = env.int("OCPP_UPGRADE_RATE_PER_SECOND", default=20)
OCPP_UPGRADE_BURST = env.int("OCPP_UPGRADE_BURST", default=40)
OCPP_FAILED_UPGRADES_PER_MINUTE = env.int("OCPP_FAILED_UPGRADES_PER_MINUTE", default=20)
OCPP_SOCKETS_PER_ADDRESS = env.int("OCPP_SOCKETS_PER_ADDRESS", default=2_000)
OCPP_SETTLE_SECONDS = env.int("OCPP_SETTLE_SECONDS", default=10)

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structured": {"()": "portal.logs.StructuredFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "daphne": {"level": "WARNING"},
        "factur-x": {"level": "WARNING"},
        "fontTools": {"level": "WARNING"},
        "weasyprint": {"level": "ERROR"},
        "weasyprint.progress": {"level": "ERROR"},
        "core.outage": {"level": env.str("OUTAGE_LOG_LEVEL", default="WARNING")},
    },
}
