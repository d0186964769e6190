"""Addresses below ``/o/<organization>/``. Each view names its permission (`entry.operator`)."""

from django.urls import path

from portal.dashboard import (
    alerts,
    audit,
    commands,
    developer,
    evses,
    live,
    messages,
    onboarding,
    overview,
    people,
    plots,
    preferences,
    search,
    sessions,
    sites,
    station,
    stations,
    tokens,
)

app_name = "dashboard"

STATION = "stations/<uuid:pk>/"
EVSE = f"{STATION}evses/<int:evse_id>/"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("live/", live.stream, name="live"),
    path("search/", search.search, name="search"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("stations/", stations.listing, name="stations"),
    path("stations/new/", onboarding.new, name="station_new"),
    path(STATION, station.live_tab, name="station"),
    path(f"{STATION}row/", stations.row, name="station_row"),
    path(f"{STATION}head/", station.head, name="station_head"),
    path(f"{STATION}connect/", onboarding.connect, name="station_connect"),
    path(f"{STATION}connect/password/", onboarding.password, name="station_password"),
    path(f"{STATION}commands/", commands.tab, name="station_commands"),
    path(f"{STATION}commands/send/", commands.send, name="station_send"),
    path(f"{STATION}transactions/", station.transactions_tab, name="station_transactions"),
    path(f"{STATION}variables/", station.variables_tab, name="station_variables"),
    path(f"{STATION}messages/", messages.tab, name="station_messages"),
    path(f"{STATION}settings/", station.settings_tab, name="station_settings"),
    path(f"{STATION}decide/", station.decide, name="station_decide"),
    path(f"{STATION}retire/", station.retire, name="station_retire"),
    path(f"{EVSE}", evses.card, name="evse"),
    path(f"{EVSE}start/", evses.start, name="evse_start"),
    path(f"{EVSE}stop/", evses.stop, name="evse_stop"),
    path(f"{EVSE}unlock/", evses.unlock, name="evse_unlock"),
    path(f"{EVSE}plot/", plots.of_evse, name="evse_plot"),
    path("commands/<uuid:pk>/", commands.detail, name="command"),
    path("commands/<uuid:pk>/cancel/", commands.cancel, name="command_cancel"),
    path("sessions/", sessions.listing, name="sessions"),
    path("sessions/<uuid:pk>/", sessions.detail, name="session"),
    path("sessions/<uuid:pk>/plot/", plots.of_session, name="session_plot"),
    path("alerts/", alerts.listing, name="alerts"),
    path("alerts/<uuid:pk>/ack/", alerts.acknowledge, name="alert_ack"),
    path("sites/", sites.listing, name="sites"),
    path("sites/new/", sites.new, name="site_new"),
    path("sites/<uuid:pk>/", sites.edit, name="site"),
    path("tokens/", tokens.listing, name="tokens"),
    path("tokens/<uuid:pk>/status/", tokens.status, name="token_status"),
    path("users/", people.listing, name="users"),
    path("users/<uuid:pk>/", people.change, name="user"),
    path("users/<uuid:pk>/remove/", people.remove, name="user_remove"),
    path("developer/", developer.keys, name="developer"),
    path("developer/<uuid:pk>/revoke/", developer.revoke, name="key_revoke"),
    path("audit/", audit.listing, name="audit"),
]
