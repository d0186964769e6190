"""What the signed values of a session say, and whether it may be billed (billing B-60 to B-64)."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

from django.db.models import F, Q
from django.db.transaction import atomic

from billing.models import MeterKey, SigningRule, SitePolicy
from billing.ocmf import parsing, verifying
from billing.ocmf.parsing import Record, Unreadable
from billing.ocmf.verifying import BEGIN, ENDS, Pair
from billing.services import home_agreements
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.models import Organization
from stations.models import FrozenTariff, SignedMeterData, Site, Transaction
from stations.services import costs_kept, session_costs

ABSENT, VALID, INVALID, UNSUPPORTED = "absent", "valid", "invalid", "unsupported"
LONGEST_KEY = 2000


@dataclass(frozen=True, slots=True)
class Judgement:
    """``state`` is absent, valid, invalid or unsupported (a format that nobody checks here); ``reasons`` are codes."""

    rule: str
    state: str
    reasons: tuple[str, ...] = ()
    begin_kwh: Decimal | None = None
    end_kwh: Decimal | None = None
    public_key: str = ""

    @property
    def blocks(self) -> bool:
        """Whether the session must not be billed by itself (B-63)."""
        return self.rule == SigningRule.REQUIRED and self.state != VALID

    @property
    def bills(self) -> bool:
        """Whether the bill is made from the signed pair, whatever was reported beside it (B-63)."""
        return self.rule == SigningRule.REQUIRED and self.state == VALID

    @property
    def energy_kwh(self) -> Decimal | None:
        """Between the two registers; the price of a session that requires them has to say the same (B-63)."""
        if self.begin_kwh is None or self.end_kwh is None:
            return None
        return self.end_kwh - self.begin_kwh

    def content(self) -> dict[str, Any] | None:
        """As the record of the session keeps it (``signed_data``); ``None`` where nothing is to be told."""
        if self.rule == SigningRule.OFF or self.state == ABSENT:
            return None
        return {
            "state": self.state,
            "valid": self.state == VALID,
            "reasons": list(self.reasons),
            "begin": None if self.begin_kwh is None else f"{self.begin_kwh:f}",
            "end": None if self.end_kwh is None else f"{self.end_kwh:f}",
            "public_key": self.public_key,
        }


def rule_of(session: Transaction) -> str:
    """What its site asks of signed values."""
    rules = SitePolicy.objects.filter(pk=session.site_id).values_list("rule", flat=True)
    return rules.first() or SigningRule.RECORDED.value


def judge(transaction: Transaction) -> Judgement:
    """What the site's policy makes of a session's signed values. Writes nothing."""
    policy = SitePolicy.objects.filter(pk=transaction.site_id).first()
    rule = policy.rule if policy else SigningRule.RECORDED.value
    if rule == SigningRule.OFF:
        return Judgement(rule, ABSENT)
    rows = list(transaction.signed_data.order_by("occurred_at", "pk"))
    if not rows:
        return Judgement(rule, ABSENT)
    texts = [text for row in rows if (text := ocmf_of(row))]
    if not texts:
        return Judgement(rule, UNSUPPORTED)
    chosen = _chosen(texts)
    key, sent = _registered(transaction, chosen), next((row.public_key for row in rows if row.public_key), "")
    pair = verifying.verify(
        chosen, key,
        synchronized=bool(policy and policy.synchronized_clock), time_billed=_bills_time(transaction),
    )  # fmt: skip
    reasons = pair.reasons
    if key and sent and not verifying.same_key(key, sent):
        reasons = (*reasons, "key_of_another_meter")
    return _judgement(rule, pair, reasons, key or sent)


@atomic
def register_key(organization: Organization, serial: str, public_key: str, *, by: Actor) -> MeterKey:
    """Keep the key that came with a meter; a later one takes its place. Raises :class:`Invalid`."""
    by.require_everywhere(Permission.ORG_SETTINGS, organization)
    serial, public_key = serial.strip(), public_key.strip()
    if not 0 < len(serial) <= 50 or not serial.isprintable():
        raise Invalid("A meter's serial number has 1 to 50 characters.", field="serial")
    if not verifying.is_key(public_key) or len(public_key) > LONGEST_KEY:
        raise Invalid("This is not a public key: give it in hex, base64 or PEM.", field="public_key")
    row, _created = MeterKey.objects.update_or_create(
        organization=organization,
        serial=serial,
        retired_at=None,
        defaults={
            "public_key": public_key,
            "registered_at": clock.now(),
            "registered_by": by.label[:200],
        },
    )
    audit.record("meter_key.registered", row, by=by)
    return row


@atomic
def retire_key(key: MeterKey, *, by: Actor) -> MeterKey:
    """The meter was taken out: sessions that began before are still checked with its key, later ones are not.

    Raises :class:`Conflict` where it was retired already.
    """
    by.require_everywhere(Permission.ORG_SETTINGS, key)
    held = MeterKey.objects.select_for_update().get(pk=key.pk)
    if held.retired_at is not None:
        raise Conflict("This key is retired already.")
    held.retired_at = clock.now()
    held.save(update_fields=["retired_at"])
    audit.record("meter_key.retired", held, by=by)
    return held


@atomic
def set_policy(site: Site, rule: str, *, synchronized_clock: bool = False, by: Actor) -> SitePolicy:
    """How signed values count at a site from the next sealing on. Raises :class:`Invalid`."""
    by.require(Permission.ORG_SETTINGS, site)
    if rule not in SigningRule.values:
        raise Invalid("“required”, “recorded” or “off” is expected here.", field="rule")
    known = SitePolicy.objects.select_for_update().filter(site=site).first()
    before = known.rule if known else SigningRule.RECORDED.value
    row, _created = SitePolicy.objects.update_or_create(
        site=site, defaults={"rule": rule, "synchronized_clock": synchronized_clock}
    )
    audit.record("signing_policy.changed", row, by=by, changes={"rule": audit.change(before, rule)})
    return row


def container(transaction: Transaction) -> str:
    """All signed values in the XML that independent software reads (B-64), each as the station sent it."""
    values = []
    for number, row in enumerate(transaction.signed_data.order_by("occurred_at", "pk"), 1):
        text = ocmf_of(row)
        record = _parsed(text) if text else None
        key = (_registered(transaction, [text]) if text else "") or row.public_key
        form = "OCMF" if text else escape(row.encoding or "unknown", {'"': "&quot;"})
        values.append(
            f'  <value transactionId="{number}" context="{escape(_context(record, row))}">\n'
            f'    <signedData format="{form}" encoding="plain">{escape(text or row.data)}</signedData>\n'
            f'    <publicKey encoding="plain">{escape(key)}</publicKey>\n  </value>\n'
        )
    return '<?xml version="1.0" encoding="UTF-8"?>\n<values>\n' + "".join(values) + "</values>\n"


def ocmf_of(row: SignedMeterData) -> str:
    """The OCMF of signed data, which 2.x sends in base64; empty for another format."""
    text = row.data.strip()
    if text.startswith(parsing.HEADER):
        return text
    try:
        found = base64.b64decode(text, validate=True).decode()
    except (ValueError, binascii.Error):
        return ""
    return found if found.startswith(parsing.HEADER) else ""


def _bills_time(session: Transaction) -> bool:
    """Whether its tariff charges for time; at home its driver is paid for energy alone (B-52)."""
    frozen = FrozenTariff.objects.filter(pk=session.pk).only("document").first()
    if frozen is None or not session_costs.counts_time(costs_kept.parsed(frozen.document)):
        return False
    return home_agreements.of_session(session) is None


def _chosen(texts: Sequence[str]) -> list[str]:
    """The last record with begin and end, else every one in order; a repeated one counts once."""
    distinct = list(dict.fromkeys(texts))
    whole = [text for text in distinct if (record := _parsed(text)) and _is_whole(record)]
    return whole[-1:] or distinct


def _is_whole(record: Record) -> bool:
    kinds = {reading.kind for reading in record.readings}
    return BEGIN in kinds and bool(kinds & ENDS)


def _parsed(text: str) -> Record | None:
    try:
        return parsing.parse(text)
    except Unreadable:
        return None


def _registered(transaction: Transaction, texts: Sequence[str]) -> str:
    """The key of the meter that was in place as the session began, though another has its serial number since."""
    serials = {record.told("MS") or record.told("GS") for text in texts if (record := _parsed(text))}
    keys = MeterKey.objects.filter(organization_id=transaction.organization_id, serial__in=serials)
    held = keys.filter(Q(retired_at=None) | Q(retired_at__gt=transaction.started_at))
    first_out = held.order_by(F("retired_at").asc(nulls_last=True), "serial")
    return first_out.values_list("public_key", flat=True).first() or ""


def _context(record: Record | None, row: SignedMeterData) -> str:
    if record is not None and not _is_whole(record):
        kinds = {reading.kind for reading in record.readings}
        return "Transaction.Begin" if BEGIN in kinds else "Transaction.End"
    return row.context


def _judgement(rule: str, pair: Pair, reasons: tuple[str, ...], key: str) -> Judgement:
    return Judgement(
        rule,
        INVALID if reasons else VALID,
        reasons,
        pair.begin.kwh if pair.begin else None,
        pair.end.kwh if pair.end else None,
        key,
    )
