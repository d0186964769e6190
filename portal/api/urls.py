"""The addresses of REST v1, below ``/api/``."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from portal.api import (
    alerts,
    charging_profiles,
    commands,
    grid_support,
    local_lists,
    messages,
    organization,
    reservations,
    session_repair,
    sites,
    stations,
    tokens,
    transactions,
    unknown,
)
from portal.api.permissions import IsKnown

app_name = "api"

urlpatterns = [
    path(
        "v1/schema/",
        SpectacularAPIView.as_view(permission_classes=[IsKnown], api_version="v1"),
        name="schema",
    ),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(
            permission_classes=[IsKnown], url_name="api:schema", template_name="api/docs.html"
        ),
        name="docs",
    ),
    path("v1/organization/", organization.OrganizationDetail.as_view()),
    path("v1/reservations/", reservations.ReservationList.as_view()),
    path("v1/reservations/<uuid:pk>/", reservations.ReservationDetail.as_view()),
    path("v1/local-lists/", local_lists.LocalListList.as_view()),
    path("v1/local-lists/<uuid:pk>/", local_lists.LocalListDetail.as_view()),
    path("v1/local-lists/<uuid:pk>/entries/", local_lists.EntryList.as_view()),
    path("v1/sites/", sites.SiteList.as_view()),
    path("v1/sites/<uuid:pk>/", sites.SiteDetail.as_view()),
    path("v1/stations/", stations.StationList.as_view()),
    path("v1/stations/<uuid:pk>/", stations.StationDetail.as_view()),
    path("v1/stations/<uuid:pk>/commands/", commands.StationCommands.as_view()),
    path("v1/stations/<uuid:pk>/grid-controls/", grid_support.DerControlList.as_view()),
    path("v1/stations/<uuid:pk>/battery-swaps/", grid_support.BatterySwapList.as_view()),
    path("v1/stations/<uuid:pk>/messages/", messages.MessageList.as_view()),
    path("v1/stations/<uuid:pk>/variables/", stations.VariableList.as_view()),
    path("v1/stations/<uuid:pk>/connections/", stations.ConnectionList.as_view()),
    path("v1/stations/<uuid:pk>/charging-limits/", charging_profiles.LimitList.as_view()),
    path("v1/stations/<uuid:pk>/composite-schedules/", charging_profiles.CompositeList.as_view()),
    path("v1/stations/<uuid:pk>/alerts/", alerts.StationAlerts.as_view()),
    path("v1/alerts/", alerts.AlertList.as_view()),
    path("v1/alerts/<uuid:pk>/", alerts.AlertDetail.as_view()),
    path("v1/alerts/<uuid:pk>/ack/", alerts.AlertAcknowledgement.as_view()),
    path("v1/commands/", commands.CommandList.as_view()),
    path("v1/commands/<uuid:pk>/", commands.CommandDetail.as_view()),
    path("v1/transactions/", transactions.TransactionList.as_view()),
    path("v1/transactions/<uuid:pk>/", transactions.TransactionDetail.as_view()),
    path(
        "v1/transactions/<uuid:pk>/repair/", session_repair.SessionRepair.as_view(), name="transaction_repair"
    ),
    path("v1/transactions/<uuid:pk>/readings/", transactions.ReadingList.as_view()),
    path("v1/charging-profiles/", charging_profiles.ChargingProfileList.as_view()),
    path("v1/charging-profiles/<uuid:pk>/", charging_profiles.ChargingProfileDetail.as_view()),
    path("v1/tokens/", tokens.TokenList.as_view()),
    path("v1/tokens/<uuid:pk>/", tokens.TokenDetail.as_view()),
    path("v1/groups/", tokens.GroupList.as_view()),
    re_path(r"^v1/.*/$", unknown.UnknownAddress.as_view()),
]
