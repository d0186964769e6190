"""``/local-lists/`` with their entries."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Upper
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.access import Permission
from drivers.models import TokenGroup
from portal.api.fields import OwnRow, token_shown
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search
from stations.domain.local_lists import ListState
from stations.models import ChargingStation, LocalList, LocalListEntry
from stations.services.local_lists import looking, managing
from stations.services.local_lists.content import Wishes


class LocalListChange(StrictSerializer):
    automatic = serializers.BooleanField(required=False, default=True, help_text="Kept up to date by itself")
    groups = serializers.ListField(
        child=OwnRow(TokenGroup.objects),
        required=False,
        default=list,
        help_text="Only tokens of these groups; none: all tokens",
    )


class LocalListBody(LocalListChange):
    station = OwnRow(ChargingStation.objects)


class LocalListView(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField(source="station_id")
    automatic = serializers.BooleanField()
    withdrawn = serializers.BooleanField()
    groups = serializers.SerializerMethodField()
    state = serializers.ChoiceField([word.value for word in ListState], source="standing.state.value")
    version = serializers.IntegerField(help_text="The last one that the station took")
    reported_version = serializers.IntegerField(allow_null=True, help_text="As the station told it since")
    reported_at = serializers.DateTimeField(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    entries = serializers.IntegerField(source="entry_count", help_text="That the station took")
    wanted_entries = serializers.IntegerField(source="standing.wanted", help_text="That it should have")
    left_out = serializers.IntegerField(
        source="standing.left_out", help_text="Tokens that its list cannot hold"
    )
    failure = serializers.CharField()
    retry_at = serializers.DateTimeField(allow_null=True)

    def get_groups(self, row: LocalList) -> list[str]:
        return [str(group.pk) for group in row.groups.all()]


class EntryView(serializers.Serializer):
    value = serializers.SerializerMethodField()
    type = serializers.CharField(help_text="Empty on OCPP 1.6")
    status = serializers.CharField()
    group_token = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField(allow_null=True)

    def get_value(self, entry: LocalListEntry) -> str:
        return token_shown(entry.value, self.context["actor"])

    def get_group_token(self, entry: LocalListEntry) -> str:
        return token_shown(entry.group_value, self.context["actor"])


class LocalListFilter(filters.FilterSet):
    station = filters.UUIDFilter(field_name="station_id")
    automatic = filters.BooleanFilter()
    token = filters.CharFilter(
        method="with_token", label="The value of a token that the station took", max_length=255
    )
    search = Search("station__identity", "failure")

    class Meta:
        model = LocalList
        fields: ClassVar[list[str]] = []

    def with_token(self, rows: Any, name: str, value: str) -> Any:
        actor = self.request.auth
        actor.require(
            Permission.DRIVERS_VIEW
        )  # others see the end of a value alone, and shall not try the rest
        entries = LocalListEntry.objects.annotate(folded=Upper("value")).filter(folded=value.upper())
        return rows.filter(Exists(entries.filter(local_list=OuterRef("pk"))))


def _rows(actor: Any) -> QuerySet[LocalList]:
    return LocalList.objects.visible_to(actor).select_related("station").prefetch_related("groups")


class _Shown:
    """Rows are compared with the tokens of this moment, once for lists that should hold the same."""

    def represent(self, thing: Any, *, many: bool = False) -> Any:
        wishes: Wishes = self.__dict__.setdefault("wishes", Wishes())
        for row in thing if many else [thing]:
            row.standing = looking.standing_of(row, wishes)
        return super().represent(thing, many=many)  # type: ignore[misc]  # of the resource beside it


class LocalListList(_Shown, ListResource):
    """The lists of tokens that stations know without asking."""

    scopes = {"read": "local-lists:read", "write": "local-lists:write"}
    serializer_class = LocalListView
    filter_class = filterset_class = LocalListFilter

    def rows(self) -> QuerySet[LocalList]:
        return _rows(self.actor)

    @extend_schema(operation_id="list_local_lists", responses=LocalListView(many=True))
    def get(self, request: Request) -> Any:
        """List the local lists of the stations, newest first."""
        return self.listing()

    @extend_schema(
        operation_id="create_local_list",
        request=LocalListBody,
        responses={201: LocalListView},
        examples=[
            OpenApiExample(
                "Kept up to date",
                {"station": "0192f3a4-5b6c-7d8e-9f01-23456789abcd", "automatic": True, "groups": []},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Say how the list of a station is kept. It is sent when the station is connected."""
        return self.once(self._create)

    def _create(self) -> Response:
        values = self.body(LocalListBody)
        made = managing.keep(
            values["station"], automatic=values["automatic"], groups=values["groups"], by=self.actor
        )
        location = f"/api/v1/local-lists/{made.pk}/"
        return Response(
            self.represent(self.rows().get(pk=made.pk)), status=201, headers={"Location": location}
        )


class LocalListDetail(_Shown, Resource):
    """The list of one station."""

    fixed = ("station",)
    scopes = {"read": "local-lists:read", "write": "local-lists:write"}
    serializer_class = LocalListView

    def _row(self, pk: UUID) -> LocalList:
        row: LocalList = found(_rows(self.actor), pk)
        return row

    @extend_schema(operation_id="get_local_list")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read how the list stands."""
        return with_etag(request, self.represent(self._row(pk)), LocalListChange)

    @extend_schema(operation_id="replace_local_list", request=LocalListChange)
    def put(self, request: Request, pk: UUID) -> Response:
        """Say anew how the list is kept."""
        return self._change(pk, self.replacement(LocalListChange, self.represent(self._row(pk))))

    @extend_schema(operation_id="change_local_list", request=LocalListChange)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change how the list is kept."""
        self._row(pk)
        return self._change(pk, self.body(LocalListChange, partial=True))

    @extend_schema(operation_id="withdraw_local_list", responses={202: LocalListView})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Empty the list at the station and keep it no longer."""
        managing.withdraw(self._row(pk), by=self.actor)
        return Response(self.represent(self._row(pk)), status=202)

    def _change(self, pk: UUID, values: dict[str, Any]) -> Response:
        row = self._row(pk)
        managing.keep(
            row.station,
            automatic=values.get("automatic", row.automatic),
            groups=values.get("groups", list(row.groups.all())),
            by=self.actor,
        )
        return with_etag(self.request, self.represent(self._row(pk)), LocalListChange)


class EntryList(ListResource):
    """What is on the list of a station, as the station took it."""

    scopes = {"read": "local-lists:read"}
    serializer_class = EntryView
    ordering: ClassVar[tuple[str, ...]] = ("id",)

    def rows(self) -> QuerySet[LocalListEntry]:
        row = found(LocalList.objects.visible_to(self.actor), self.kwargs["pk"])
        return LocalListEntry.objects.filter(local_list=row)

    @extend_schema(operation_id="list_local_list_entries", responses=EntryView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the entries."""
        return self.listing()
