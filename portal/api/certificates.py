"""``/certificates/``: what stations hold, and what they ask to be signed."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.command_bodies.certificates import EXAMPLE_PEM
from portal.api.commands import CommandView
from portal.api.fields import OwnRow
from portal.api.permissions import holds
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search
from stations.domain import intents
from stations.domain.certificates import INSTALLABLE, CertificateUse, SigningStatus, SigningUse
from stations.domain.intents import Intent
from stations.models import ChargingStation, InstalledCertificate, SigningRequest
from stations.services import commands
from stations.services.certificates import sending, signing

SCOPES = {"read": "certificates:read", "write": "certificates:write"}


class HashDataView(serializers.Serializer):
    algorithm = serializers.CharField()
    issuer_name_hash = serializers.CharField()
    issuer_key_hash = serializers.CharField()
    serial_number = serializers.CharField()


class CertificateView(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField(source="station_id")
    certificate_type = serializers.ChoiceField([use.value for use in CertificateUse], source="use")
    hash_data = HashDataView(help_text="As the station names it")
    children = HashDataView(many=True, help_text="Certificates below the root of a chain")
    subject = serializers.CharField(help_text="Empty where we do not have the certificate itself")
    expires_at = serializers.DateTimeField(allow_null=True)
    reported = serializers.BooleanField(help_text="False: installed by us and not listed by the station yet")
    seen_at = serializers.DateTimeField()
    removed_at = serializers.DateTimeField(allow_null=True)


class CertificateBody(StrictSerializer):
    station = OwnRow(ChargingStation.objects)
    certificate_type = serializers.ChoiceField([use.value for use in INSTALLABLE])
    certificate = serializers.CharField(max_length=10_000, trim_whitespace=False)


class CertificateFilter(filters.FilterSet):
    station = filters.UUIDFilter(field_name="station_id")
    certificate_type = filters.ChoiceFilter(
        field_name="use", choices=[(use.value, use.value) for use in CertificateUse]
    )
    removed = filters.BooleanFilter(field_name="removed_at", lookup_expr="isnull", exclude=True)
    expires_before = filters.IsoDateTimeFilter(field_name="expires_at", lookup_expr="lt")
    search = Search("subject", "serial_number")

    class Meta:
        model = InstalledCertificate
        fields = ["serial_number", "reported"]


class RequestView(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField(source="station_id")
    certificate_type = serializers.ChoiceField(
        [use.value for use in SigningUse], source="use", help_text="Empty: the station's own, not named"
    )
    status = serializers.ChoiceField([word.value for word in SigningStatus])
    detail = serializers.CharField(help_text="Why it was refused, failed, or has to wait")
    subject = serializers.CharField()
    key = serializers.CharField()
    csr = serializers.CharField()
    chain = serializers.CharField(help_text="What was sent; empty before it is signed")
    serial_number = serializers.CharField()
    repeats = serializers.IntegerField()
    tries = serializers.IntegerField()
    signed_by = serializers.CharField()
    received_at = serializers.DateTimeField()
    signed_at = serializers.DateTimeField(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)


class RequestFilter(filters.FilterSet):
    station = filters.UUIDFilter(field_name="station_id")
    search = Search("subject", "serial_number", "detail")

    class Meta:
        model = SigningRequest
        fields = ["status"]


class ChainBody(StrictSerializer):
    chain = serializers.CharField(
        max_length=20_000, trim_whitespace=False, help_text="PEM, the station's own certificate first"
    )


class RefusalBody(StrictSerializer):
    reason = serializers.CharField(max_length=400, required=False, allow_blank=True, default="")


class _Sending(Resource):
    """Writes here become commands; like passwords they need ``security:write`` beside their own scope."""

    def _may_write(self) -> None:
        if not holds(self.actor, "security:write"):
            raise PermissionDenied("Certificates of stations need the scope “security:write” as well.")

    def _issue(self, station: ChargingStation, intent: Intent) -> Response:
        command = commands.issue(station, intent, by=self.actor)
        shown = CommandView(command, context={"actor": self.actor, "request": self.request}).data
        return Response(shown, status=202, headers={"Location": f"/api/v1/commands/{command.pk}/"})


class CertificateList(ListResource, _Sending):
    """Certificates on stations."""

    scopes = SCOPES
    serializer_class = CertificateView
    filter_class = filterset_class = CertificateFilter

    def rows(self) -> QuerySet[InstalledCertificate]:
        return InstalledCertificate.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_certificates", responses=CertificateView(many=True))
    def get(self, request: Request) -> Any:
        """List the certificates on stations, as far as they told; those that are gone have ``removed_at``."""
        return self.listing()

    @extend_schema(
        operation_id="install_certificate",
        request=CertificateBody,
        responses={202: OpenApiResponse(CommandView, description="Sent as a command; read it at `Location`")},
        examples=[
            OpenApiExample(
                "A root for our server",
                {
                    "station": "0192f3a4-5b6c-7d8e-9f01-23456789abcd",
                    "certificate_type": "csms_root_certificate",
                    "certificate": EXAMPLE_PEM,
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Install a root on a station."""
        self._may_write()
        return self.once(self._install)

    def _install(self) -> Response:
        values = self.body(CertificateBody)
        station = values.pop("station")
        return self._issue(station, intents.InstallCertificate(**values))


class CertificateDetail(_Sending):
    """One certificate on a station."""

    scopes = SCOPES
    serializer_class = CertificateView

    def _certificate(self, pk: UUID) -> InstalledCertificate:
        rows = InstalledCertificate.objects.visible_to(self.actor).select_related("station")
        certificate: InstalledCertificate = found(rows, pk)
        return certificate

    @extend_schema(operation_id="get_certificate")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read what is known of a certificate."""
        return with_etag(request, self.represent(self._certificate(pk)))

    @extend_schema(
        operation_id="delete_certificate",
        responses={202: OpenApiResponse(CommandView, description="Sent as a command; read it at `Location`")},
    )
    def delete(self, request: Request, pk: UUID) -> Response:
        """Delete a certificate from its station; one that is in use stays (409)."""
        certificate = self._certificate(pk)
        self._may_write()
        return self._issue(certificate.station, intents.DeleteCertificate(certificate=certificate.pk))


class RequestList(ListResource):
    """What stations ask to be signed."""

    scopes = SCOPES
    serializer_class = RequestView
    filter_class = filterset_class = RequestFilter

    def rows(self) -> QuerySet[SigningRequest]:
        return SigningRequest.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_signing_requests", responses=RequestView(many=True))
    def get(self, request: Request) -> Any:
        """List the requests to sign, newest first; `?status=waiting` are those without a certificate."""
        return self.listing()


class _OneRequest(_Sending):
    scopes = SCOPES
    serializer_class = RequestView

    def _request(self, pk: UUID) -> SigningRequest:
        rows = SigningRequest.objects.visible_to(self.actor).select_related("station")
        request: SigningRequest = found(rows, pk)
        return request


class RequestDetail(_OneRequest):
    """One request to sign."""

    @extend_schema(operation_id="get_signing_request")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a request with its CSR and what became of it."""
        return with_etag(request, self.represent(self._request(pk)))


class RequestChain(_OneRequest):
    """The signed chain for a request."""

    @extend_schema(
        operation_id="upload_signed_chain",
        request=ChainBody,
        responses={200: RequestView},
        examples=[OpenApiExample("A leaf and its issuer", {"chain": EXAMPLE_PEM * 2}, request_only=True)],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Hand in the certificate; it is checked against the request and sent to the station."""
        asked = self._request(pk)
        self._may_write()
        return self.once(lambda: self._send(asked))

    def _send(self, asked: SigningRequest) -> Response:
        chain = self.body(ChainBody)["chain"]
        return Response(self.represent(sending.sign_and_send(asked, chain, by=self.actor)))


class RequestRefusal(_OneRequest):
    """Nobody will sign the request."""

    @extend_schema(
        operation_id="refuse_signing_request",
        request=RefusalBody,
        responses={200: RequestView},
        examples=[OpenApiExample("Not ours", {"reason": "Unknown key"}, request_only=True)],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Refuse a request that waits."""
        asked = self._request(pk)
        self._may_write()
        return self.once(lambda: self._refuse(asked))

    def _refuse(self, asked: SigningRequest) -> Response:
        reason = self.body(RefusalBody)["reason"]
        return Response(self.represent(signing.refuse(asked, reason, by=self.actor)))
