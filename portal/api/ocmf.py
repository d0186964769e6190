"""``/tools/verify-ocmf/``: whether signed meter values are what the meter signed (billing B-64)."""

from typing import ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.ocmf import parsing, verifying
from portal.api.resource import Resource, StrictSerializer

MOST = 10
EXAMPLE = {
    "ocmf": 'OCMF|{"FV":"1.0","PG":"T1","MS":"1","RD":[{"TX":"B","RV":1.0,"RU":"kWh","ST":"G"}]}|{"SD":"3045"}',
    "public_key": "3059301306072a8648ce3d020106082a8648ce3d030107034200",
}


class OcmfBody(StrictSerializer):
    ocmf = serializers.CharField(
        max_length=parsing.LONGEST,
        trim_whitespace=False,
        help_text="One record with begin and end, or each on a line of its own",
    )
    public_key = serializers.CharField(
        max_length=2000, trim_whitespace=False, help_text="Hex, base64 or PEM; DER or the bare point"
    )
    time_billed = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Whether time is charged for, so that an error of it counts (`EF`)",
    )


class OcmfView(serializers.Serializer):
    valid = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField(), help_text="Codes of what is wrong")
    begin_kwh = serializers.CharField(allow_null=True)
    end_kwh = serializers.CharField(allow_null=True)
    energy_kwh = serializers.CharField(allow_null=True)


class VerifyOcmf(Resource):
    """The verifier, for whoever wants to check a receipt."""

    scopes = {"POST": "tariffs:read"}
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = OcmfView

    @extend_schema(
        operation_id="verify_ocmf",
        request=OcmfBody,
        responses={200: OcmfView},
        examples=[OpenApiExample("One record", EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Verify OCMF under a public key. Nothing is stored; `reasons` names each failure by its code."""
        return self.once(self._verify)

    def _verify(self) -> Response:
        body = self.body(OcmfBody)
        records = [line for line in body["ocmf"].splitlines() if line.strip()]
        pair = verifying.verify(records[:MOST], body["public_key"], time_billed=body["time_billed"])
        told = {
            "begin_kwh": pair.begin.kwh if pair.begin else None,
            "end_kwh": pair.end.kwh if pair.end else None,
            "energy_kwh": pair.kwh,
        }
        texts = {name: None if value is None else f"{value:f}" for name, value in told.items()}
        return Response({"valid": pair.valid, "reasons": list(pair.reasons), **texts})
