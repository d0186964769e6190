"""`manage.py price TARIFF.json CDR.json`: what a session costs by a tariff, line by line.

Exit code 0: priced. 1: priced, but with a finding (an error of the linter, a warning of the engine, or with
`--compare` a difference to the record's own costs). 2: the files cannot be priced.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from core.errors import DomainError
from stations.domain.words import Version
from stations.ocpp import schemas
from tariffs import answer, linter, ocpp21_read, parsing, pointers, pricing
from tariffs.local_time import find_zone
from tariffs.pointers import InvalidDocument
from tariffs.pricing import Basis, Options, Reservation, Rounding
from tariffs.structure import Tariff
from tariffs.taxes import TaxRates

UNUSABLE = 2
MAX_BYTES = 10 * 2**20
IN_2_3_0 = {"excl_vat": "before_taxes", "incl_vat": "after_taxes"}
"""The sides of a price in the words of OCPI 2.3.0."""


class Command(BaseCommand):
    help = "Price a charge detail record by an OCPI tariff; exits with 1 where there is a finding."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "tariff", metavar="TARIFF.json", help="a tariff of OCPI 2.2.1 or 2.3.0, or of OCPP 2.1"
        )
        parser.add_argument("cdr", metavar="CDR.json", help="an OCPI CDR: times and charging_periods")
        parser.add_argument("--time-zone", metavar="NAME", help="of the site, such as Europe/Berlin")
        parser.add_argument("--basis", choices=[one.value for one in Basis], default=Basis.GROSS.value)
        parser.add_argument(
            "--policy", default=pricing.DEFAULT_ROUNDING.policy, help="id of the rounding policy"
        )
        parser.add_argument("--reservation-expired", action="store_true")
        parser.add_argument(
            "--tax-rate", metavar="DIMENSION=PERCENT", action="append", default=[],
            help="where the tariff names none, such as ENERGY=19; once for each dimension",
        )  # fmt: skip
        parser.add_argument(
            "--compare", action="store_true", help="find differences to the record's own costs"
        )
        parser.add_argument("--language", choices=[code for code, _ in settings.LANGUAGES], default="en")

    def handle(self, *_: Any, language: str, **options: Any) -> None:
        try:
            with translation.override(language):
                findings = self._price(**options)
        except InvalidDocument as error:
            lines = [f"{one.pointer or '/'}: {one.message}" for one in error.problems]
            raise CommandError("\n".join(lines), returncode=UNUSABLE) from error
        except DomainError as error:
            raise CommandError(error.message, returncode=UNUSABLE) from error
        for finding in findings:
            self.stderr.write(finding)
        if findings:
            sys.exit(1)

    def _price(
        self, *, tariff: str, cdr: str, time_zone: str | None, compare: bool, **options: Any
    ) -> list[str]:
        document, record = _read(tariff), _read(cdr)
        of, session = _named(tariff, _tariff, document), _named(cdr, parsing.parse_cdr, record)
        kind = Reservation.EXPIRED if options["reservation_expired"] else Reservation.USED
        price = pricing.price(
            of,
            session,
            zone=_zone(of, time_zone),
            rounding=Rounding(options["policy"], Basis(options["basis"])),
            options=Options(reservation=kind, tax_rates=_tax_rates(options["tax_rate"], of)),
        )
        told = answer.as_json(of, price)
        self.stdout.write(json.dumps(told, indent=2, ensure_ascii=False))
        findings = [f"{one.code} {one.pointer}: {one.message}" for one in linter.errors(of)]
        findings += [f"warning: {warning}" for warning in told["warnings"]]
        return findings + (_differences(told, record) if compare else [])


def _read(name: str) -> Any:
    try:
        path = Path(name)
        if path.stat().st_size > MAX_BYTES:
            raise CommandError(f"{name} is larger than {MAX_BYTES >> 20} MiB.", returncode=UNUSABLE)
        return _named(name, pointers.loads, path.read_bytes())
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.", returncode=UNUSABLE) from error


def _tariff(document: Any) -> Tariff:
    """The tariff of OCPI, or of OCPP 2.1 as a station is told it, which alone has a `tariffId` (T-48)."""
    if isinstance(document, Mapping) and "tariffId" in document:
        _require_schema(document)
        document = ocpp21_read.convert(document)
    return parsing.parse_tariff(document)


def _require_schema(told: Mapping[str, Any]) -> None:
    """Raises :class:`InvalidDocument` with each place at which it is no tariff of OCPP 2.1."""
    schema = schemas.schema_of(Version.V21, "SetDefaultTariff", schemas.Kind.REQUEST)
    assert schema is not None
    # The schema knows numbers as JSON has them; the exact decimals stay in the document itself.
    plain = json.loads(json.dumps(told, default=float))
    wrong = schema.deviations({"evseId": 0, "tariff": plain})
    if wrong:
        raise InvalidDocument(
            [
                pointers.Problem("".join(f"/{step}" for step in one.path[1:]), str(one.refusal()))
                for one in wrong
            ]
        )


def _named(name: str, read: Any, value: Any) -> Any:
    """Put the file's name before the pointers of what is wrong in it."""
    try:
        return read(value)
    except InvalidDocument as error:
        problems = [pointers.Problem(f"{name}#{one.pointer}", one.message) for one in error.problems]
        raise InvalidDocument(problems) from error


def _tax_rates(words: Sequence[str], of: Tariff) -> TaxRates:
    """What `--tax-rate` names, read as the API reads `tax_rates`."""
    pairs = [word.partition("=") for word in words]
    try:
        rates = {name: Decimal(percent) for name, _equals, percent in pairs}
    except InvalidOperation as error:
        raise CommandError(
            "Give a tax rate as a dimension and its percentage, such as --tax-rate ENERGY=19.",
            returncode=UNUSABLE,
        ) from error
    return _named("--tax-rate", partial(parsing.parse_tax_rates, tariff=of), rates)  # type: ignore[no-any-return]


def _zone(tariff: Tariff, name: str | None) -> ZoneInfo:
    """The zone given; without one only a tariff that does not look at the local clock can be priced."""
    if name is None and tariff.is_local:
        raise CommandError(
            "The tariff depends on local time. Give the time zone of the site, such as --time-zone Europe/Berlin.",
            returncode=UNUSABLE,
        )
    return find_zone(name or "UTC")


def _differences(told: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """Where the record's own costs are not ours; what it does not state is not compared."""
    found = []
    for name, ours in told.items():
        theirs = record.get(name)
        if not name.endswith("_cost") or not isinstance(theirs, Mapping):
            continue
        for side, value in ours.items():
            for word in (side, IN_2_3_0[side]):
                if word in theirs and not _equal(value, theirs[word]):
                    found.append(f"{name}/{word}: {theirs[word]} stated, {value} computed")
    return found


def _equal(ours: str | None, theirs: Any) -> bool:
    try:
        return ours is not None and Decimal(ours) == Decimal(str(theirs)).quantize(Decimal("0.0001"))
    except InvalidOperation:
        return False
