"""What can be wrong with hosts stops nobody else, and nobody is paid twice for a session (billing B-53, B-34)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing.models import AccountException, HostAgreement, Invoice, RunKind
from billing.services import drafting, host_shares, running
from core import clock
from core.access import Actor
from core.models import Organization
from tests.billing.conftest import THIS_MONTH, Agree, Charge, Host, sealed

pytestmark = pytest.mark.usefixtures("committed")
TODAY = clock.now().date()
NEXT_MONTH = drafting.end_of(THIS_MONTH, "Europe/Berlin").strftime("%Y-%m")


def run(organization: Organization, by: Actor) -> None:
    running.start(organization, THIS_MONTH, issue=True, kind=RunKind.STATEMENTS, by=by)
    running.work()


def test_b34_b53_a_record_that_is_shared_too_far_fails_its_host_and_stops_no_run(
    charge: Charge,
    agree: Agree,
    host: Host,
    alice: Actor,
    organization: Organization,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town, shop = host("Town"), host("Shop")
    agree(town, percent=Decimal(50))
    agree(shop, percent=Decimal(10))
    sealed(charge)

    def wrong(_net: Any, _kwh: Any, rules: list[HostAgreement], _digits: int) -> list[Decimal]:
        return [Decimal(99) if rule.percent == 50 else Decimal("0.62") for rule in rules]

    monkeypatch.setattr(host_shares, "split", wrong)
    run(organization, alice)

    assert AccountException.objects.visible_to(alice).get().account == town
    assert Invoice.objects.visible_to(alice).get().account == shop
    [made] = organization.billingrun_set.all()
    assert (made.state, running.progress(made, by=alice)) == ("finished", {"open": 0, "done": 1, "failed": 1})


def test_b53_b33_an_agreement_from_before_all_time_breaks_no_preview(
    charge: Charge, agree: Agree, host: Host, alice: Actor, organization: Organization
) -> None:
    agree(host("Town"), percent=Decimal(50))
    HostAgreement.objects.filter(organization=organization).update(valid_from=date.min, valid_to=date.max)
    sealed(charge)
    [seen] = running.preview(organization, THIS_MONTH, kind=RunKind.STATEMENTS, by=alice)

    assert seen.net == Decimal("3.09")
