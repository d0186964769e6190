"""``/tools/price/``: what a charge detail record costs by a tariff (tariffs section 14)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Invalid
from portal.api.costs import PriceLineView
from portal.api.resource import Resource, StrictSerializer
from portal.api.tariff_bodies import OCPI_EXAMPLE, CdrBody, ExactJsonParser, Figure, OcpiTariff, mapping_of
from tariffs import answer, parsing, pricing
from tariffs.local_time import find_zone
from tariffs.pointers import InvalidDocument, Problem
from tariffs.pricing import Basis, Options, Reservation, Rounding
from tariffs.steady import steady
from tariffs.structure import Tariff
from tariffs.usage import Metered, Recorded

T = TypeVar("T")
EXAMPLE = {
    "tariff": OCPI_EXAMPLE,
    "cdr": {
        "start_date_time": "2026-11-25T17:00:00Z",
        "end_date_time": "2026-11-25T18:00:00Z",
        "charging_periods": [
            {"start_date_time": "2026-11-25T17:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 9.8215}]}
        ],
    },
    "time_zone": "Europe/Berlin",
    "reservation_expired": False,
}
IMAGINED = {
    "tariff": OCPI_EXAMPLE,
    "charge": {
        "started_at": "2026-11-25T19:00:00Z",
        "energy_kwh": 22,
        "charging_minutes": 120,
        "parked_minutes": 60,
    },
    "time_zone": "Europe/Berlin",
}
WEEK_MINUTES = 7 * 24 * 60
MOST_ELEMENTS = 100
"""Of a tariff by which more is priced than one record that is cut already."""


class ImaginedBody(StrictSerializer):
    """A session that is only imagined: even power, then parked. It is cut wherever a price changes."""

    started_at = serializers.DateTimeField()
    energy_kwh = Figure(min_value=0, max_value=1000)
    charging_minutes = serializers.IntegerField(min_value=1, max_value=WEEK_MINUTES)
    parked_minutes = serializers.IntegerField(min_value=0, max_value=WEEK_MINUTES, required=False, default=0)

    def validate_started_at(self, at: datetime) -> datetime:
        if not 2000 <= at.year < 3000:
            raise serializers.ValidationError("A time in the years 2000 to 2999 is expected here.")
        return at


class TaxRatesBody(serializers.Serializer):
    """Percent by dimension, where a tariff of OCPI 2.3.0 names none; beside any other it is refused."""

    ENERGY = Figure(required=False)
    TIME = Figure(required=False)
    PARKING_TIME = Figure(required=False)
    FLAT = Figure(required=False)


class PriceBody(serializers.Serializer):
    tariff = OcpiTariff()
    cdr = CdrBody(required=False)
    charge = ImaginedBody(required=False, help_text="In place of `cdr`")
    time_zone = serializers.CharField(required=False, help_text="Of the site; needed where local time counts")
    reservation_expired = serializers.BooleanField(required=False)
    basis = serializers.ChoiceField([word.value for word in Basis], required=False)
    policy = serializers.CharField(required=False, help_text="Id of the rounding policy")
    tax_rates = TaxRatesBody(required=False)


class SidesView(serializers.Serializer):
    excl_vat = serializers.CharField(allow_null=True)
    incl_vat = serializers.CharField(allow_null=True)


class PayableView(SidesView):
    vat = serializers.CharField(allow_null=True)


class VatGroupView(SidesView):
    vat = serializers.CharField(allow_null=True, help_text="`null`: no VAT applies, or nobody knows")
    payable = PayableView()


class PricedLineView(PriceLineView):
    periods = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    added_by_step = serializers.CharField()


class PriceView(serializers.Serializer):
    total_cost = SidesView()
    total_energy_cost = SidesView()
    total_time_cost = SidesView()
    total_parking_cost = SidesView()
    total_fixed_cost = SidesView()
    total_reservation_cost = SidesView()
    payable = PayableView()
    vat_groups = VatGroupView(many=True)
    currency = serializers.CharField()
    policy = serializers.CharField()
    basis = serializers.CharField()
    time_zone = serializers.CharField()
    total_energy = serializers.CharField()
    total_time = serializers.CharField()
    total_parking_time = serializers.CharField()
    warnings = serializers.ListField(child=serializers.CharField())
    lines = PricedLineView(many=True)


class PriceTool(Resource):
    """The pricing engine, for whoever wants to check a price."""

    scopes = {"POST": "tariffs:read"}
    parser_classes = (ExactJsonParser,)
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = PriceView

    @extend_schema(
        operation_id="price",
        request=PriceBody,
        responses={200: PriceView},
        examples=[
            OpenApiExample("An hour at night", EXAMPLE, request_only=True),
            OpenApiExample("A session that is only imagined", IMAGINED, request_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Price an OCPI CDR, or an imagined `charge`, by an OCPI tariff.

        Nothing is stored; unknown fields of tariff and CDR are tolerated.
        """
        return self.once(self._price)

    def _price(self) -> Response:
        body = mapping_of(self.request.data)
        _require_known(body)
        tariff = inside("tariff", body, parsing.parse_tariff)
        session = _session(body, tariff)
        price = pricing.price(
            tariff,
            session,
            zone=_zone(tariff, body.get("time_zone")),
            rounding=_rounding(body),
            options=Options(
                reservation=_reservation(body),
                tax_rates=parsing.parse_tax_rates(body.get("tax_rates"), tariff, pointer="/tax_rates"),
            ),
        )
        return Response(answer.as_json(tariff, price))


def _require_known(body: Mapping[str, Any]) -> None:
    unknown = [name for name in body if name not in PriceBody().fields]
    if unknown:
        raise serializers.ValidationError({name: "There is no such field." for name in unknown})


def inside(name: str, body: Mapping[str, Any], read: Callable[..., T]) -> T:
    """A foreign object of the body, its faults with pointers from the top."""
    if body.get(name) is None:
        raise InvalidDocument([Problem(f"/{name}", "This field is required.")])
    return read(body[name], pointer=f"/{name}")


def require_few(tariff: Tariff) -> Tariff:
    """The tariff; raises :class:`Invalid` where it has more than ``MOST_ELEMENTS`` elements."""
    if len(tariff.elements) > MOST_ELEMENTS:
        raise Invalid(f"A tariff of at most {MOST_ELEMENTS} elements can be tried.", field="tariff.elements")
    return tariff


def _session(body: Mapping[str, Any], tariff: Tariff) -> Recorded | Metered:
    """The record, or what stands in its place, which is cut by every element's bounds."""
    if body.get("charge") is None:
        return inside("cdr", body, parsing.parse_cdr)
    if body.get("cdr") is not None:
        raise Invalid("Give either cdr or charge.", field="charge")
    require_few(tariff)
    checked = ImaginedBody(data=body["charge"])
    if not checked.is_valid():
        raise serializers.ValidationError({"charge": checked.errors})
    told = checked.validated_data
    return steady(
        told["started_at"], Decimal(told["energy_kwh"]), told["charging_minutes"], told["parked_minutes"]
    )


def _zone(tariff: Tariff, name: Any) -> ZoneInfo:
    if name is None and tariff.is_local:
        raise Invalid("The tariff depends on local time. Give the time zone of the site.", field="time_zone")
    if name is not None and not isinstance(name, str):
        raise Invalid("A name such as Europe/Berlin is expected here.", field="time_zone")
    return find_zone(name or "UTC")


def _rounding(body: Mapping[str, Any]) -> Rounding:
    basis, policy = body.get("basis", Basis.GROSS.value), body.get("policy", pricing.DEFAULT_ROUNDING.policy)
    if basis not in [word.value for word in Basis]:
        raise Invalid("“gross” or “net” is expected here.", field="basis")
    if not isinstance(policy, str):
        raise Invalid("The id of a rounding policy is expected here.", field="policy")
    return Rounding(policy, Basis(basis))


def _reservation(body: Mapping[str, Any]) -> Reservation:
    expired = body.get("reservation_expired", False)
    if not isinstance(expired, bool):
        raise Invalid("true or false is expected here.", field="reservation_expired")
    return Reservation.EXPIRED if expired else Reservation.USED
