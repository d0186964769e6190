"""A session whose readings have settled becomes a record, an exception, or a stated reason for neither."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.models import BillingAccount, BillingException, Cause, Cdr, Outcome, Settlement
from billing.services import accounts, checks, signed_values
from billing.services.checks import Doubt
from core.clock import to_wire
from core.ids import uuid7
from core.services import outbox
from stations.models import FrozenTariff, SessionCost, Transaction
from stations.services import session_costs

NOT_PRICED = "not_priced"
"""In the organization nothing was priced when the session began."""


def seal(settlement: Settlement, session: Transaction, *, now: datetime, accepted: bool = False) -> None:
    """Decide what becomes of it. The caller holds the settlement's lock; ``accepted`` by a person, who saw
    the doubt. Safe to run again: what is decided stays."""
    if settlement.outcome not in (Outcome.WAITING, Outcome.EXCEPTION):
        return
    session_costs.price(session.pk, now=now)
    cost = SessionCost.objects.filter(pk=session.pk).first()
    if cost is None:
        _decide(settlement, Outcome.NOT_BILLABLE, NOT_PRICED)
        return
    doubt = _doubt(session, cost, accepted)
    if doubt is not None:
        open_exception(session, doubt, now=now)
        _decide(settlement, Outcome.EXCEPTION)
        return
    make(session, cost, now=now)
    _decide(settlement, Outcome.SEALED)


def make(session: Transaction, cost: SessionCost, *, now: datetime, replaces: Cdr | None = None) -> Cdr:
    """The record of a session with a final price."""
    assert session.ended_at is not None
    content = content_of(session, cost)
    key = uuid7()
    record = Cdr(
        id=key,
        reference=str(key),
        organization_id=session.organization_id,
        site_id=session.site_id,
        transaction=session,
        account=_payer(session),
        replaces=replaces,
        started_at=session.started_at,
        ended_at=session.ended_at,
        meter_start_wh=session.meter_start_wh,
        meter_end_wh=session.meter_last_wh,
        content=content,
        digest=digest_of(content),
        sealed_at=now,
        **_amounts(cost),
    )
    record.save(force_insert=True)
    tell(record)
    return record


def tell(record: Cdr) -> None:
    """The news of a record, in the transaction that makes it; the total is with taxes where they are known."""
    total = record.payable_excl_vat if record.payable_incl_vat is None else record.payable_incl_vat
    outbox.record(
        "cdr.created", organization_id=record.organization_id, object_id=record.pk, limit_id=record.site_id,
        data={"id": str(record.pk), "transaction": str(record.transaction_id), "total": f"{total:.2f}",
              "currency": record.currency, "credit": record.credit},
    )  # fmt: skip


def open_exception(
    session: Transaction,
    doubt: Doubt,
    *,
    now: datetime,
    difference: Decimal | None = None,
    currency: str = "",
) -> BillingException:
    """Leave the session to a person; one that already waits is left as it is."""
    found, _created = BillingException.objects.get_or_create(
        transaction=session,
        decision="",
        defaults={
            "organization_id": session.organization_id,
            "site_id": session.site_id,
            "cause": doubt.cause,
            "detail": doubt.detail[:300],
            "difference": difference,
            "currency": currency,
            "opened_at": now,
        },
    )
    return found


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON: keys in order, no blanks, UTF-8."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def content_of(session: Transaction, cost: SessionCost) -> dict[str, Any]:
    """Everything a document needs, as it was at the start (B-04); amounts and quantities are texts."""
    frozen = FrozenTariff.objects.get(pk=session.pk)
    assert session.ended_at is not None
    signed = signed_values.judge(session).content()
    return {
        "transaction": str(session.pk),
        "session": session.reference,
        "start_date_time": to_wire(session.started_at),
        "end_date_time": to_wire(session.ended_at),
        "token": {"uid": session.token_value, "type": session.token_type},
        "driver": None if session.driver is None else session.driver.name,
        "place": _place(session),
        "meter_start_wh": _text(session.meter_start_wh),
        "meter_end_wh": _text(session.meter_last_wh),
        "tariff": json.loads(frozen.document),
        "tariff_version": str(frozen.version_id),
        "time_zone": frozen.time_zone,
        "policy": frozen.policy,
        "basis": frozen.basis,
        "price": cost.answer,
        "texts": cost.texts,
        **({} if signed is None else {"signed_data": signed}),
    }


def _doubt(session: Transaction, cost: SessionCost, accepted: bool) -> Doubt | None:
    if not accepted:
        return checks.first_doubt(session, cost)
    return None if checks.is_sealable(session, cost) else Doubt(Cause.UNPRICED, cost.detail)


def _decide(settlement: Settlement, outcome: Outcome, reason: str = "") -> None:
    settlement.outcome, settlement.reason = outcome, reason
    settlement.save(update_fields=["outcome", "reason"])


def _payer(session: Transaction) -> BillingAccount | None:
    return None if session.driver is None else accounts.of_driver(session.driver)


def _amounts(cost: SessionCost) -> dict[str, Any]:
    total = cost.answer["total_cost"]
    return {
        "energy_kwh": Decimal(cost.answer["total_energy"]),
        "currency": cost.currency,
        "basis": cost.answer["basis"],
        "total_excl_vat": _decimal(total["excl_vat"]),
        "total_incl_vat": _decimal(total["incl_vat"]),
        "payable_excl_vat": cost.excl_vat,
        "payable_vat": cost.vat,
        "payable_incl_vat": cost.incl_vat,
    }


def _place(session: Transaction) -> dict[str, Any]:
    site = session.site
    told = {} if site is None else {
        "name": site.name, "address": site.address, "city": site.city,
        "postal_code": site.postal_code, "country": site.country,
    }  # fmt: skip
    evse = session.evse
    return {**told, "evse": None if evse is None else evse.code, "connector_id": session.connector_id}


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
