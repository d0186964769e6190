"""The map of the portal. What may be called without signing in is listed in `PUBLIC` (security.md W-03)."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from portal import accounts, files, health, payment_events, root
from portal.api import oauth
from portal.driver import chargers, invitation, receipts

PUBLIC = frozenset(
    {
        "home",
        "healthz",
        "readyz",
        "metrics",
        "security_txt",
        "find",
        "charger",
        "invitation",
        "receipt",
        "receipt_file",
        "stripe_webhook",
        "oauth_token",
        "firmware_file",
        "log_upload",
        "file_download",
    }
)

admin.site.login = secure_admin_login(admin.site.login)
admin.site.has_permission = accounts.may_enter_admin

handler400 = "portal.root.bad_request"
handler500 = "portal.root.server_error"

urlpatterns = [
    path("", root.home, name="home"),
    path("o/<slug:organization>/", include("portal.dashboard.urls")),
    path("me/", include("portal.driver.urls")),
    path("c/", chargers.find, name="find"),
    path("c/<str:code>", chargers.show, name="charger"),
    path("invitation/<str:secret>", invitation.accept, name="invitation"),
    path("r/<str:key>", receipts.show, name="receipt"),
    path("r/<str:key>/<str:kind>", receipts.file, name="receipt_file"),
    path("accounts/", include("allauth.urls")),
    path("api/", include("portal.api.urls")),
    path("oauth/token/", oauth.token, name="oauth_token"),
    path("admin/", admin.site.urls),
    path(
        "webhooks/payments/stripe/<slug:organization>",
        payment_events.stripe,
        name="stripe_webhook",
    ),
    path("files/firmware/<str:token>/<str:filename>", files.firmware, name="firmware_file"),
    path("files/downloads/<str:signed>", files.download, name="file_download"),
    path("files/logs/<str:token>", files.log, name="log_upload"),
    path("files/logs/<str:token>/", files.log, name="log_upload"),
    path("files/logs/<str:token>/<path:name>", files.log, name="log_upload"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", root.metrics, name="metrics"),
    path(".well-known/security.txt", root.security_txt, name="security_txt"),
]
