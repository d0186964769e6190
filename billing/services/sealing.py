"""A session whose readings have settled becomes a record, an exception, or a stated reason for neither."""

import copy
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.models import (
    BillingAccount,
    BillingException,
    Buyer,
    Cause,
    Cdr,
    HomeAgreement,
    Outcome,
    Settlement,
    SitePolicy,
)
from billing.services import checks, companies, halves, home_agreements, home_prices, origins, signed_values
from billing.services.checks import Doubt
from billing.services.signed_values import Judgement
from core.clock import to_wire
from core.ids import uuid7
from core.services import outbox
from drivers.models import Driver
from stations.domain.words import Flag
from stations.models import FrozenTariff, ReservationCost, SessionCost, Transaction
from stations.services import session_costs
from stations.services.halves import is_whole

NOT_PRICED = "not_priced"
"""In the organization nothing was priced when the session began."""
FREE_SITE, STAFF = "free_site", "staff"


def seal(settlement: Settlement, session: Transaction, *, now: datetime, accepted: bool = False) -> None:
    """Decide what becomes of it. The caller holds the settlement's lock; ``accepted`` by a person, who saw
    the doubt. Safe to run again: what is decided stays."""
    if settlement.outcome not in (Outcome.WAITING, Outcome.EXCEPTION):
        return
    session = halves.priced(session, now=now)
    home = home_agreements.of_session(session)
    cost = SessionCost.objects.filter(pk=session.pk).first()
    if home is not None:
        session, cost = priced_at_home(session, home)
    elif because := _not_billable(session, cost):
        _decide(settlement, Outcome.NOT_BILLABLE, because)
        return
    else:
        assert cost is not None
        session, cost = by_signed_values(session, cost, now=now)
    doubt = _doubt(session, cost, accepted, home)
    if doubt is not None:
        open_exception(session, doubt, now=now)
        _decide(settlement, Outcome.EXCEPTION)
        return
    make(session, cost, now=now, home=home, replaces=_taken_back(session))
    _decide(settlement, Outcome.SEALED)


def make(
    session: Transaction,
    cost: SessionCost,
    *,
    now: datetime,
    replaces: Cdr | None = None,
    home: HomeAgreement | None = None,
) -> Cdr:
    """The record of a session with a final price; by an agreement on ``home`` charging its employer pays, if any."""
    assert session.ended_at is not None
    content = content_of(session, cost, replaces, home)
    key = uuid7()
    record = Cdr(
        id=key,
        reference=str(key),
        organization_id=session.organization_id,
        site_id=session.site_id,
        transaction=session,
        account=_payer(session, replaces, home),
        home_agreement=home,
        replaces=replaces,
        started_at=session.started_at,
        ended_at=session.ended_at,
        meter_start_wh=session.meter_start_wh,
        meter_end_wh=session.meter_last_wh,
        content=content,
        digest=digest_of(content),
        sealed_at=now,
        **amounts_of(cost),
    )
    record.save(force_insert=True)
    tell(record)
    return record


def priced_anew(
    session: Transaction, *, now: datetime, home: HomeAgreement | None = None
) -> tuple[Transaction, SessionCost | None]:
    """The session by its readings of now, though its price had settled; ``None`` where no tariff held."""
    if home is not None:
        return priced_at_home(session, home)
    session = halves.priced(session, now=now, anew=True)
    cost = SessionCost.objects.filter(pk=session.pk).first()
    return (session, None) if cost is None else by_signed_values(session, cost, now=now)


def tell(record: Cdr) -> None:
    """The news of a record, in the transaction that makes it; the total is with taxes where they are known."""
    total = record.payable_excl_vat if record.payable_incl_vat is None else record.payable_incl_vat
    outbox.record(
        "cdr.created", organization_id=record.organization_id, object_id=record.pk, limit_id=record.site_id,
        data={"id": str(record.pk), **_subject(record), "total": f"{total:.2f}", "currency": record.currency,
              "credit": record.credit},
    )  # fmt: skip


def _subject(record: Cdr) -> dict[str, str | None]:
    if record.reservation_id is None:
        return {"transaction": str(record.transaction_id)}
    return {"transaction": None, "reservation": str(record.reservation_id)}


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


def content_of(
    session: Transaction,
    cost: SessionCost,
    replaces: Cdr | None = None,
    home: HomeAgreement | None = None,
) -> dict[str, Any]:
    """Everything a document needs, as it was at the start (B-04); amounts and quantities are texts."""
    names = origins.of(session, replaces)
    assert session.ended_at is not None
    judged = signed_values.judge(session)
    signed = judged.content()
    return {
        "transaction": str(session.pk),
        "session": session.reference,
        "start_date_time": to_wire(session.started_at),
        "end_date_time": to_wire(session.ended_at),
        "token": {"uid": session.token_value, "type": session.token_type},
        "driver": names["driver"],
        "place": names["place"],
        "meter_start_wh": _text(session.meter_start_wh),
        "meter_end_wh": _text(session.meter_last_wh),
        **(_by_tariff(session) if home is None else _by_agreement(session, cost, home)),
        **({} if home is not None else _cost_centre(session, replaces)),
        "price": cost.answer,
        "texts": cost.texts,
        **({} if signed is None else {"signed_data": signed}),
        **({"halves": parts} if (parts := halves.told(session)) else {}),
        **_reported(session, judged),
    }


def _by_tariff(session: Transaction) -> dict[str, Any]:
    frozen = FrozenTariff.objects.get(pk=session.pk)
    changes = [to_wire(one) for one in frozen.tariff_changes]
    return {
        "tariff": json.loads(frozen.document),
        "tariff_version": str(frozen.version_id),
        "time_zone": frozen.time_zone,
        "policy": frozen.policy,
        "basis": frozen.basis,
        **({"tariff_changes": changes} if changes else {}),
    }


def _by_agreement(session: Transaction, cost: SessionCost, home: HomeAgreement) -> dict[str, Any]:
    return {
        "home_charging_compensation": True,
        "home_agreement": str(home.pk),
        "tariff": json.loads(home_prices.tariff_of(home)),
        "tariff_version": None,
        "time_zone": home_agreements.zone_of(session),
        "policy": cost.answer["policy"],
        "basis": cost.answer["basis"],
    }


def _doubt(
    session: Transaction, cost: SessionCost, accepted: bool, home: HomeAgreement | None
) -> Doubt | None:
    if not accepted:
        other = None if home is None else next(home_prices.other_meter(session, home), None)
        return checks.first_doubt(session, cost) or other
    return None if checks.is_sealable(session, cost) else Doubt(Cause.UNPRICED, cost.detail)


def _taken_back(session: Transaction) -> Cdr | None:
    """The credited record for which that of a whole stands, where its first half had one."""
    if not is_whole(session):
        return None
    return Cdr.objects.filter(transaction=session.pk, credit=False, replaced_by=None).order_by("-id").first()


def _decide(settlement: Settlement, outcome: Outcome, reason: str = "") -> None:
    settlement.outcome, settlement.reason = outcome, reason
    settlement.save(update_fields=["outcome", "reason"])
    if outcome != Outcome.EXCEPTION:
        origins.forget(settlement.pk)


def _not_billable(session: Transaction, cost: SessionCost | None) -> str:
    return excused(session.site_id, session.driver, session.started_at) or (
        NOT_PRICED if cost is None else ""
    )


def excused(site_id: UUID | None, driver: Driver | None, at: datetime) -> str:
    """The stated reason why nothing is billed to this driver, or the company that pays, at this site (B-13)."""
    if SitePolicy.objects.filter(pk=site_id, free=True).exists():
        return FREE_SITE
    whose = None if driver is None else driver.merged_into_id or driver.pk
    member = companies.member_at(driver, at)
    staff = Buyer.objects.filter(staff=True)
    if whose is not None and staff.filter(account__driver=whose).exists():
        return STAFF
    return STAFF if member is not None and staff.filter(account=member.account_id).exists() else ""


def by_signed_values(
    session: Transaction, cost: SessionCost, *, now: datetime
) -> tuple[Transaction, SessionCost]:
    """The session with the registers of its signed pair and their price, where its site bills by those (B-63).

    Where that is not so, or the pair does not hold, both as they are. The copy is never stored.
    """
    signed = _by_signed_registers(session)
    if signed is None or signed.meter_start_wh is None or signed.meter_last_wh is None:
        return session, cost
    priced = session_costs.price_between(session.pk, signed.meter_start_wh, signed.meter_last_wh, now=now)
    return signed, priced or cost


def priced_at_home(session: Transaction, home: HomeAgreement) -> tuple[Transaction, SessionCost]:
    """What its driver is paid for it (B-52), by the signed registers where its site bills by those; not stored."""
    counted = _by_signed_registers(session) or session
    return counted, home_prices.of_session(counted, home)


def _by_signed_registers(session: Transaction) -> Transaction | None:
    """A copy with the registers of its signed pair, where its site bills by those and the pair holds.

    A whole of halves has none: each half was signed by itself.
    """
    judged = signed_values.judge(session)
    if is_whole(session) or not judged.bills or judged.begin_kwh is None or judged.end_kwh is None:
        return None
    signed = copy.copy(session)
    signed.meter_start_wh, signed.meter_last_wh = judged.begin_kwh * 1000, judged.end_kwh * 1000
    signed.flags = [flag for flag in session.flags if flag != Flag.METER_BACKWARDS]
    return signed


def _reported(session: Transaction, judged: Judgement) -> dict[str, Any]:
    """Of a session that is billed by signed values, what was reported without a signature."""
    if not judged.bills:
        return {}
    stored = Transaction.objects.filter(pk=session.pk).values_list("meter_start_wh", "meter_last_wh")
    first, last = stored.get()
    return {"reported_start_wh": _text(first), "reported_end_wh": _text(last)}


def _payer(session: Transaction, replaces: Cdr | None, home: HomeAgreement | None) -> BillingAccount | None:
    """A corrected record keeps who paid for it."""
    if home is not None:
        return home.employer
    kept = replaces.account if replaces is not None and not replaces.home_charging_compensation else None
    return kept or companies.payer_of(session.driver, session.started_at)


def _cost_centre(session: Transaction, replaces: Cdr | None) -> dict[str, str]:
    if replaces is not None and replaces.account_id is not None:
        return {name: replaces.content[name] for name in ("cost_centre",) if name in replaces.content}
    return companies.cost_centre_of(session.driver, session.started_at)


def amounts_of(cost: SessionCost | ReservationCost) -> dict[str, Any]:
    """The columns of a record that say what it costs."""
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


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
