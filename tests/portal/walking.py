"""Every address of the portal, made from its URLconf and filled with things that exist."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from billing.models import (
    BankLine,
    BillingException,
    BillingRun,
    Cause,
    Cdr,
    DebitFile,
    DocumentType,
    HomeAgreement,
    HostAgreement,
    Invoice,
    InvoiceKind,
    Mandate,
    MeterKey,
    Method,
    Outcome,
    Payment,
    ProviderMovement,
    SavedMethod,
    Settlement,
    Wallet,
)
from billing.services import accounts
from billing.services.payments import debits, matching, receiving, wallets
from billing.services.retention import holds
from core import clock
from core import keys as keys_of_data
from core.access import Actor
from core.models import ApiKey, Membership, Organization
from core.services import keys, webhooks
from drivers.models import Driver
from drivers.services import drivers, importing, tokens
from stations.domain import intents
from stations.domain.certificates import CertificateUse, SigningRequested
from stations.domain.data_transfers import RuleUse
from stations.domain.displays import DisplayStatus
from stations.domain.station import StationRef
from stations.domain.words import TransactionStatus
from stations.models import (
    Alert,
    ChargingStation,
    DataTransferRule,
    DisplayMessage,
    EventStream,
    Evse,
    InstalledCertificate,
    InstalledProfile,
    Quirk,
    Report,
    Reservation,
    ReservationCost,
    SigningRequest,
    Transaction,
    Variable,
    VariableChange,
)
from stations.services import (
    card_registering,
    commands,
    driving,
    scheduled_commands,
    stations,
    tariff_assignments,
)
from stations.services.certificates import installed, signing
from stations.services.local_lists import holding
from stations.services.rollouts import planning
from tariffs import publishing
from tests import factories, pki

HOUR = timedelta(hours=1)
CONVERTED = re.compile(r"<(\w+):(\w+)>")
RESET_KEY = "password/reset/key/1-set-password/"
SPELT = {  # regular expressions and secrets are spelt out here
    "account_confirm_email": "accounts/confirm-email/MQ:abc:def/",
    "account_reset_password_from_key": f"accounts/{RESET_KEY}",
    "receipt": f"r/{'k' * 43}",
    "receipt_file": f"r/{'k' * 43}/pdf",
}


@dataclass(frozen=True, slots=True)
class Route:
    """One address: its pattern, its name, its view, and a path with everything filled in."""

    pattern: str
    name: str
    view: Any
    path: str

    @property
    def is_api(self) -> bool:
        return self.pattern.startswith("api/")

    @property
    def is_dashboard(self) -> bool:
        return self.pattern.startswith("o/")

    @property
    def is_own(self) -> bool:
        return self.pattern.startswith("me/")


def patterns() -> Iterator[tuple[str, URLPattern]]:
    """All of the URLconf but Django's admin pages, whose own tests are Django's."""
    return _walk(get_resolver().url_patterns, "")


def routes(things: Mapping[str, object]) -> Iterator[Route]:
    """``things`` maps the start of a path below organization or API to the id that stands there."""
    for pattern, url in patterns():
        name = url.name or ""
        path = SPELT.get(name) or _filled(pattern, things)
        yield Route(pattern, name, url.callback, f"/{path}")


def furnish(organization: Organization, alice: Membership, actor: Actor) -> dict[str, object]:
    """One of everything that an address can name, in Alice's organization."""
    station, _ = factories.make_station(actor)
    evse = stations.add_evse(station, 1)
    now = clock.now()
    session = Transaction.objects.create(
        organization=organization,
        site=station.site,
        station=station,
        evse=evse,
        reference="1",
        token_value="04A2B6C8DA",
        started_at=now,
        last_event_at=now,
    )
    alert = Alert.objects.create(
        organization=organization,
        station=station,
        kind="connector_faulted",
        severity="warning",
        raised_at=now,
        last_at=now,
    )
    command = commands.issue(station, intents.ResetStation(kind="on_idle"), by=actor)
    key, _ = keys.create(organization, name="walked", scopes=["*"], by=actor)
    webhook, _ = webhooks.create({"url": "https://93.184.216.34/hook"}, by=actor)
    later = scheduled_commands.When(now + HOUR)
    planned = scheduled_commands.plan(station, intents.ClearCache(), when=later, by=actor)
    return {
        "organization": organization.slug,
        "identity": station.identity,
        "code": evse.code,
        **_furnish_driver(alice, session, evse, actor),
        **_furnish_billing(session, actor),
        "stations": station.pk,
        "sessions": session.pk,
        "transactions": session.pk,
        "alerts": alert.pk,
        "commands": command.pk,
        "scheduled-commands": planned.pk,
        "commands/planned": planned.pk,
        "local-lists": holding.row_of(station.pk).pk,
        "sites": station.site_id,
        "drivers": factories.make_driver(actor).pk,
        "driver-groups": drivers.create_group(name=factories.unique("Staff"), by=actor).pk,
        "token-groups": tokens.create_group(name=factories.unique("Cards"), by=actor).pk,
        "groups": tokens.create_group(name=factories.unique("Group"), by=actor).pk,
        "tokens": factories.make_token(actor).pk,
        "tokens/imports": _furnish_import(actor),
        "users": alice.pk,
        "developer": key.pk,
        "webhooks": webhook.pk,
        "developer/webhooks": webhook.pk,
        **_furnish_tariffs(station, actor),
        **_furnish_blocks(station, actor),
        **_furnish_reports(station),
        **_furnish_vendors(station),
        **_furnish_files(station, actor),
    }


def _furnish_import(actor: Actor) -> object:
    """An import of one token, which can be taken back."""
    rows = [{"value": factories.unique("04"), "type": "ISO14443"}]
    batch = importing.import_tokens(rows, known=importing.Known.REFUSE, by=actor).batch
    assert batch is not None
    return batch.pk


def _furnish_driver(alice: Membership, session: Transaction, evse: Evse, actor: Actor) -> dict[str, object]:
    """Alice charges as well: her session, her card and a start of hers."""
    driver = drivers.give_account(factories.make_driver(actor), alice.user, by=actor)
    token = factories.make_token(actor, driver=driver)
    Transaction.objects.filter(pk=session.pk).update(driver=driver)
    wish = intents.RequestStartTransaction(token_value=token.value, evse_id=evse.evse_id)
    asked = commands.issue(evse.station, wish, by=driving.actor_of_driver(driver))
    waited_for = card_registering.begin(driver, number="04AABB", station=evse.station, by=actor)
    own = {"cards": token.pk, "cards/added": waited_for.pk, "starts": asked.pk, "details": driver.pk}
    return {**own, "invitation": "A" * 43}


def _furnish_billing(session: Transaction, actor: Actor) -> dict[str, object]:
    """A draft of Alice, a run of a month, and her session waits for a decision."""
    now, organization = clock.now(), session.organization
    driver = Driver.objects.get(transactions=session)
    invoice = Invoice.objects.create(
        organization=organization, account=accounts.of_driver(driver), kind=InvoiceKind.COLLECTIVE,
        document_type=DocumentType.INVOICE, period="2026-10", currency="EUR", basis="gross",
    )  # fmt: skip
    run = BillingRun.objects.create(
        organization=organization, period="2026-10", started_by=actor.label, started_at=now
    )
    exception = BillingException.objects.create(
        organization=organization, site=session.site, transaction=session, cause=Cause.UNPRICED, opened_at=now
    )
    Settlement.objects.create(transaction=session, outcome=Outcome.EXCEPTION, due_at=now)
    wallet, mandate, payment = _furnish_payments(invoice, actor)
    record = _furnish_record(session, invoice)
    key = MeterKey.objects.create(
        organization=organization, serial="M-1", public_key="04AA", registered_at=now, registered_by="Alice"
    )
    return {
        **{"invoices": invoice.pk, "invoices/runs": run.pk, "invoices/exceptions": exception.pk},
        **{"billing-runs": run.pk, "billing-exceptions": exception.pk},
        **{"billing-accounts": invoice.account_id, "cdrs": record.pk, "invoices/records": record.pk},
        "payments/accounts": invoice.account_id,
        "payments/bank": BankLine.objects.get(organization=organization).pk,
        **{"wallets": wallet.pk, "mandates": mandate.pk, "payments": payment.pk},
        **_furnish_bank(invoice, actor),
        **_furnish_agreements(session, invoice, actor),
        "meter-keys": key.pk,
        "settings/retention": holds.place(organization, reason="A lawsuit", by=actor).pk,
        **{"settings/signing": key.pk, "settings/signing/sites": session.site_id},
    }


def _furnish_agreements(session: Transaction, invoice: Invoice, actor: Actor) -> dict[str, object]:
    """What Alice is paid for charging at home, and what she gets as a host."""
    told: dict[str, Any] = {
        "organization": session.organization, "currency": "EUR", "valid_from": clock.now().date(),
        "made_at": clock.now(), "made_by": actor.label,
    }  # fmt: skip
    home = HomeAgreement.objects.create(
        driver=invoice.account.driver, station=session.station, rate_per_kwh=1, meter_serial="M-1", **told
    )
    host = HostAgreement.objects.create(account=invoice.account, site=session.site, percent=1, **told)
    return {
        **{"home-agreements": home.pk, "payments/home-charging": home.pk},
        **{"host-agreements": host.pk, "payments/hosts": host.pk},
    }


def _furnish_payments(invoice: Invoice, actor: Actor) -> tuple[Wallet, Mandate, Payment]:
    """Alice's wallet, her permission to collect, and a transfer of hers."""
    account, today = invoice.account, clock.now().date()
    statement = b"date;amount;text;name\n2026-11-02;12.00;Who knows;Somebody\n"
    matching.take_in(account.organization, "walked.csv", statement, by=actor)
    mandate = debits.sign(account, iban="NL91ABNA0417164300", holder="Alice", signed_on=today, by=actor)
    payment = receiving.book(
        organization_id=account.organization_id, account=account, amount=Decimal(5), currency="EUR",
        method=Method.BANK_TRANSFER, received_on=today, by=actor,
    )  # fmt: skip
    return wallets.open_(account, by=actor), mandate, payment


def _furnish_bank(invoice: Invoice, actor: Actor) -> dict[str, object]:
    """A file for the bank, a booking of a statement, and a card of Alice."""
    file = _furnish_debit_file(invoice.organization, actor)
    line = BankLine.objects.get(organization=invoice.organization)
    movement = ProviderMovement.objects.create(
        organization=invoice.organization, provider="stripe", reference=factories.unique("txn"), kind="other",
        amount=-1, currency="EUR", at=clock.now(), difference="unknown",
    )  # fmt: skip
    card = SavedMethod.objects.create(
        account=invoice.account, provider="stripe", customer="cus_1", reference="pm_1", label="Visa 4242"
    )
    return {
        **{"provider-movements": movement.pk, "payments/provider": movement.pk},
        **{"payments/debits": file.pk, "debit-files": file.pk, "bank-lines": line.pk},
        **{"payment-methods": card.pk, "payers": invoice.account_id},
    }


def _furnish_debit_file(organization: Organization, actor: Actor) -> DebitFile:
    """A file for the bank, of the organization's account."""
    debits.set_details(
        organization, holder="Yard", iban="DE89370400440532013000", creditor_id="DE98ZZZ09999999999", by=actor
    )
    content = keys_of_data.seal("<Document/>", purpose=debits.FILE_PURPOSE)
    return DebitFile.objects.create(
        organization=organization, message_id=factories.unique("CY")[:35], collect_on=clock.now().date(),
        total=1, sealed_content=content, digest="0" * 64, made_at=clock.now(), made_by=actor.label,
    )  # fmt: skip


def _furnish_record(session: Transaction, invoice: Invoice) -> Cdr:
    """The record of a session before that one."""
    now = clock.now()
    before = Transaction.objects.create(
        organization=session.organization, site=session.site, station=session.station, evse=session.evse,
        reference="0", token_value=session.token_value, started_at=now, last_event_at=now, ended_at=now,
        status=TransactionStatus.ENDED.value,
    )  # fmt: skip
    Settlement.objects.create(transaction=before, outcome=Outcome.SEALED, due_at=now)
    return Cdr.objects.create(
        reference=before.pk.hex, organization=session.organization, site=session.site, transaction=before,
        account=invoice.account, started_at=now, ended_at=now, energy_kwh=1, currency="EUR", basis="gross",
        payable_incl_vat=1, content={"price": {"vat_groups": []}, "time_zone": "UTC"}, digest="0" * 64, sealed_at=now,
    )  # fmt: skip


def _furnish_tariffs(station: ChargingStation, actor: Actor) -> dict[str, object]:
    """A published tariff with a draft, at the station's site."""
    body = {"elements": [{"price_components": [{"type": "ENERGY", "price": 1}]}]}
    version = publishing.publish(publishing.create(body, by=actor), by=actor)
    publishing.edit(version.tariff, body, by=actor)
    made = tariff_assignments.assign(version.tariff, place=station.site, by=actor)
    return {"tariffs": version.tariff_id, "assignment": made.pk}


def _furnish_blocks(station: ChargingStation, actor: Actor) -> dict[str, object]:
    """What charging, reservations and certificates keep of a station."""
    now = clock.now()
    side = StationRef(station_id=station.pk, organization_id=station.organization_id)
    commands.issue(
        station, intents.ReserveNow(evse_id=1, token_value="04A2B6C8DA", expires_at=now + HOUR), by=actor
    )
    profile = InstalledProfile.objects.create(
        station=station,
        evse_id=1,
        profile_id=7,
        purpose="tx_default_profile",
        stack_level=0,
        kind="absolute",
        source="CSO",
        content={
            "purpose": "tx_default_profile",
            "kind": "absolute",
            "stack_level": 0,
            "schedules": [{"rate_unit": "A", "periods": [{"start_s": 0, "limit": 16}]}],
        },
        installed_at=now,
    )
    root = pki.pem(pki.authority().certificate)
    installed.stored(side, CertificateUse.MANUFACTURER_ROOT, root, now)
    csr = pki.request(station.identity, station.organization.name)
    signing.receive(side, SigningRequested(csr=csr), now)
    request = SigningRequest.objects.get(station=station).pk
    reservation = Reservation.objects.get(station=station)
    ReservationCost.objects.create(
        reservation=reservation, state="review", cause="no_tariff", since=now, started_at=now, ended_at=now,
        computed_at=now,
    )  # fmt: skip
    return {
        "reservations": reservation.pk,
        "charging-profiles": profile.pk,
        "certificates": InstalledCertificate.objects.get(station=station).pk,
        "certificates/requests": request,
        "request": request,
    }


def _furnish_reports(station: ChargingStation) -> dict[str, object]:
    """What the device model keeps of a station: a variable about to change, a stream, a report of a customer."""
    now = clock.now()
    variable = Variable.objects.create(
        station=station,
        component="OCPPCommCtrlr",
        variable="Interval",
        value="1",
        changed_at=now,
        reported_at=now,
    )
    change = VariableChange.objects.create(station=station, variable=variable, value="2", by="Alice", at=now)
    stream = EventStream.objects.create(station=station, number=1, monitor_number=1, opened_at=now)
    report = Report.objects.create(station=station, about=Report.About.CUSTOMER, request_id=1)
    return {"variable": variable.pk, "change": change.pk, "stream": stream.pk, "report": report.pk}


def _furnish_vendors(station: ChargingStation) -> dict[str, object]:
    """What stands on a display, and how the organization treats a vendor's stations and messages."""
    organization = station.organization
    message = DisplayMessage.objects.create(
        station=station,
        number=1,
        priority="normal_cycle",
        status=DisplayStatus.INSTALLED,
        created_at=clock.now(),
    )
    quirk = Quirk.objects.create(organization=organization, vendor="Acme", reason="Speaks oddly")
    rule = DataTransferRule.objects.create(
        organization=organization, use=RuleUse.ANSWER, vendor_id="com.acme"
    )
    return {"message": message.pk, "quirks": quirk.pk, "data-transfer-rules": rule.pk}


def _furnish_files(station: ChargingStation, actor: Actor) -> dict[str, object]:
    """An image, and a log that the station uploaded; addresses of files that are none."""
    image = factories.make_image(actor)
    file = factories.make_log(station, actor)
    rollout = planning.draft({"image": image, "stations": [station.pk]}, by=actor)
    nothing = {f"files/{kind}": "A" * 43 for kind in ("firmware", "logs", "downloads")}
    return {
        "firmware/images": image.pk,
        "firmware-images": image.pk,
        "firmware": rollout.pk,
        "firmware-rollouts": rollout.pk,
        "file": file.pk,
        "job": file.job_id,
        **nothing,
    }


def of_walk(things: Mapping[str, object]) -> tuple[ChargingStation, Transaction, ApiKey]:
    """The station, the session and the key that :func:`furnish` made."""
    return (
        ChargingStation.objects.get(pk=things["stations"]),
        Transaction.objects.get(pk=things["sessions"]),
        ApiKey.objects.get(pk=things["developer"]),
    )


def _walk(entries: list[Any], before: str) -> Iterator[tuple[str, URLPattern]]:
    for entry in entries:
        pattern = f"{before}{entry.pattern}"
        if isinstance(entry, URLResolver):
            if entry.app_name != "admin":
                yield from _walk(entry.url_patterns, pattern)
        else:
            yield pattern, entry


def _filled(pattern: str, things: Mapping[str, object]) -> str:
    place = pattern.removeprefix("o/<slug:organization>/").removeprefix("api/v1/")
    place = place.removeprefix("me/").partition("/<")[0]

    def value(match: re.Match[str]) -> str:
        kind, name = match.groups()
        if kind == "int":
            return "1"
        if (kind, name) == ("str", "code"):
            return str(things["code"])
        return str(
            things["organization"]
            if kind == "slug"
            else things[name.removesuffix("_pk") if "_" in name else place]
        )

    plain = CONVERTED.sub(value, pattern)
    return plain.replace(r"^v1/[\s\S]*$", "v1/nothing/here/")
