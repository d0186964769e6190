"""All that is kept of a driver, for the driver to take along: one zip, made while it is sent (W-29, B-67).

``data.json`` has everything, ``sessions.csv`` the sessions for a spreadsheet, ``invoices/`` the files that were made.
Who may not see invoices gets it without these and without prices.
No more than one invoice's file and one session is in memory at a time.
"""

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from billing.models import (
    CompanyMember,
    DebitNotice,
    DocumentKind,
    DunningHold,
    DunningStep,
    HomeAgreement,
    Invoice,
    Wallet,
)
from billing.services import documents
from core import audit, cells, clock
from core.access import Actor, Permission
from core.errors import Conflict, NotFound
from drivers.models import Driver
from stations.services import driver_data

FORMAT = "chargeyard-driver-export/3"
AT_ONCE = 200
COLUMNS = (
    "id", "started_at", "ended_at", "site", "station", "evse", "token", "energy_wh", "stopped_reason",
)  # fmt: skip
OF_MONEY = ("incl_vat", "currency")


class _Sink(io.RawIOBase):
    """What was written since the last look; cannot be gone back in, so that the zip needs nothing of it again."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def drained(self) -> bytes:
        taken, self.pieces = b"".join(self.pieces), []
        return taken


def archive(driver: Driver, *, by: Actor) -> Iterator[bytes]:
    """The zip in pieces. Raises :class:`NotFound` at once for anybody but the person itself."""
    driver_data.owned(driver, by=by)
    return _pieces(driver)


def archive_for_operator(driver: Driver, *, by: Actor) -> Iterator[bytes]:
    """The same for an operator who manages drivers everywhere; without money for who may not see invoices."""
    by.require_everywhere(Permission.DRIVERS_MANAGE, driver)
    audit.record("driver.exported", driver, by=by)
    return _pieces(driver, money=by.can_everywhere(Permission.INVOICES_MANAGE))


def _pieces(driver: Driver, *, money: bool = True) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as made:
        for name, lines in (("data.json", _json(driver, money)), ("sessions.csv", _csv(driver, money))):
            with made.open(name, "w", force_zip64=True) as file:
                for line in lines:
                    file.write(line.encode())
                    yield from _out(sink)
        for invoice in _invoices(driver) if money else ():
            for kind in DocumentKind.values:
                if (data := _file(invoice, kind)) is not None:
                    made.writestr(_name(invoice, kind), data)
                    yield from _out(sink)
    yield sink.drained()


def _out(sink: _Sink) -> Iterator[bytes]:
    if piece := sink.drained():
        yield piece


def _json(driver: Driver, money: bool) -> Iterator[str]:
    head = json.dumps({"format": FORMAT, **driver_data.about(driver)}, ensure_ascii=False, indent=1)
    yield head.rstrip("}\n ")
    if money:
        wallets = Wallet.objects.filter(account__driver=driver).order_by("id")
        yield from _list("wallets", map(_wallet, wallets))
        yield from _list("invoices", map(_invoice, _invoices(driver)))
        yield from _list("reminder_holds", map(_hold, _holds(driver)))
        agreements = HomeAgreement.objects.filter(driver=driver).select_related("station").order_by("id")
        yield from _list("home_agreements", map(_agreement, agreements))
        members = CompanyMember.objects.filter(driver=driver).select_related("account").order_by("id")
        yield from _list("companies", map(_company, members))
    for name, rows in (
        ("reservations", driver_data.reservations(driver)),
        ("sessions", driver_data.sessions(driver)),
    ):
        yield from _list(name, rows if money else map(_unpriced, rows))
    yield "\n}\n"


def _list(name: str, rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield f',\n "{name}": ['
    for place, row in enumerate(rows):
        yield ("," if place else "") + "\n  " + json.dumps(row, ensure_ascii=False)
    yield "\n ]"


def _unpriced(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name != "price"}


def _csv(driver: Driver, money: bool) -> Iterator[str]:
    columns = (*COLUMNS, *OF_MONEY) if money else COLUMNS
    yield _row(columns)
    for one in driver_data.sessions(driver):
        payable = (one["price"] or {}).get("payable", {})
        currency = (one["price"] or {}).get("currency", "")
        told = {**one, "incl_vat": payable.get("incl_vat"), "currency": currency}
        yield _row(["" if told[name] is None else str(told[name]) for name in columns])


def _row(values: Iterable[str]) -> str:
    into = io.StringIO()
    csv.writer(into, lineterminator="\r\n").writerow([cells.guarded(value) for value in values])
    return into.getvalue()


def _invoices(driver: Driver) -> Iterator[Invoice]:
    rows = Invoice.objects.filter(account__driver=driver).exclude(number="")
    return rows.select_related("credits").order_by("id").iterator(AT_ONCE)


def _holds(driver: Driver) -> Iterator[DunningHold]:
    rows = DunningHold.objects.filter(account__driver=driver).select_related("invoice")
    return rows.order_by("id").iterator(AT_ONCE)


def _invoice(one: Invoice) -> dict[str, Any]:
    return {
        "number": one.number,
        "type": one.document_type,
        "state": one.state,
        "period": one.period,
        "issued_on": str(one.issued_on),
        "due_on": str(one.due_on),
        "currency": one.currency,
        "net": f"{one.net:f}",
        "vat": f"{one.vat:f}",
        "due": f"{one.due:f}",
        "credits": one.credits.number if one.credits else None,
        "reminders": [_reminder(step) for step in one.dunning_steps.order_by("id")],
        "debits_announced": [
            _notice(notice) for notice in one.debit_notices.select_related("mandate").order_by("id")
        ],
        "files": [_name(one, row.kind) for row in one.files.order_by("kind") if row.state == "ready"],
    }


def _reminder(one: DunningStep) -> dict[str, Any]:
    return {
        "step": one.kind,
        "on": str(one.taken_on),
        "open": f"{one.open_amount:f}",
        "fee": f"{one.fee:f}",
        "sent_at": clock.to_wire(one.sent_at) if one.sent_at else None,
        "text": one.body,
    }


def _notice(one: DebitNotice) -> dict[str, Any]:
    return {
        "collect_on": str(one.collect_on),
        "amount": f"{one.amount:f}",
        "mandate": one.mandate.reference,
        "sent_at": clock.to_wire(one.sent_at) if one.sent_at else None,
        "text": one.body,
    }


def _hold(one: DunningHold) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "reason": one.reason,
        "until": str(one.until) if one.until else None,
        "invoice": one.invoice.number if one.invoice else None,
        "at": clock.to_wire(one.made_at),
    }


def _agreement(one: HomeAgreement) -> dict[str, Any]:
    return {
        "station": one.station.identity,
        "rate_per_kwh": f"{one.rate_per_kwh:f}",
        "currency": one.currency,
        "from": str(one.valid_from),
        "until": str(one.valid_to) if one.valid_to else None,
    }


def _company(one: CompanyMember) -> dict[str, Any]:
    return {
        "name": one.account.name,
        "cost_centre": one.cost_centre,
        "since": clock.to_wire(one.since),
        "until": clock.to_wire(one.until) if one.until else None,
    }


def _wallet(one: Wallet) -> dict[str, Any]:
    return {"currency": one.currency, "balance": f"{one.balance:f}", "since": clock.to_wire(one.created_at)}


def _name(invoice: Invoice, kind: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in invoice.number)
    return f"invoices/{plain}/{documents.file_name(invoice, kind).replace(invoice.number, plain)}"


def _file(invoice: Invoice, kind: str) -> bytes | None:
    """``None`` where it is not made (yet), or is being made again."""
    try:
        return documents.content(invoice, kind)
    except (Conflict, NotFound):
        return None
