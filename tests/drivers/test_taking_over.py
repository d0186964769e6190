"""Invitations, cards held to a charger, files to take along."""

import contextlib

from django.test import Client

from core.access import Actor
from core.errors import DomainError
from drivers.models import CardRegistration, Driver, IdToken
from drivers.services import drivers
from stations.models import ChargingStation, Evse
from stations.services import card_registering
from tests.portal.driver.conftest import (
    actor,
    card,
    colleague,
    dora,
    evse,
    fresh,
    organization,
    phone,
    phone_of,
    proven,
    station,
    text_of,
)
from tests.portal.driver.test_cards import VALUE, add, hold, holder, look, pool
from tests.portal.driver.test_invitations import anna, desk, invite, link_to

__all__ = [
    "actor", "anna", "card", "colleague", "desk", "dora", "evse", "fresh", "organization", "phone", "phone_of",
    "pool", "station",
]  # fmt: skip


def test_w11_taking_an_invitation_back_does_not_let_mails_go_out_without_end(
    desk: Client, anna: Driver
) -> None:
    refused = []
    for _ in range(4):
        refused.append("Wait a minute" in text_of(invite(desk, anna)))
        invite(desk, anna, "withdraw")

    assert any(refused)


def test_7_who_waits_for_another_card_at_once_does_not_leave_the_first_to_a_stranger(
    phone: Client, colleague: Client, dora: Driver, pool: IdToken, evse: Evse, station: ChargingStation
) -> None:
    """Bob typed Dora's number too. She holds her card, and adds the next before the job looked."""
    add(colleague, evse)
    add(phone, evse)
    hold(station)
    add(phone, evse, "0411223344")
    look()

    assert holder() in (None, dora)


def test_w29_a_driver_who_was_forgotten_meanwhile_begins_no_registration(
    dora: Driver, evse: Evse, station: ChargingStation, actor: Actor
) -> None:
    """The page loaded the driver before the operator ended it."""
    loaded = Driver.objects.get(pk=dora.pk)
    drivers.retire(dora, by=actor)
    with contextlib.suppress(DomainError):
        card_registering.begin(loaded, number=VALUE, station=station, by=actor)

    assert not CardRegistration.objects.filter(driver=dora).exists()


def test_b67_so_many_files_at_once_are_made_for_one_driver_and_no_more(phone: Client, dora: Driver) -> None:
    """Each holds a connection of the database until its reader has it; there are 24 in a process."""
    proven(phone)
    answers = [phone.post(f"/me/details/{dora.pk}/export/") for _ in range(5)]

    assert answers[-1].status_code != 200


def test_7_a_wait_that_is_over_by_another_one_is_settled_first(
    phone: Client, dora: Driver, pool: IdToken, evse: Evse, station: ChargingStation
) -> None:
    """The card was held to the charger in time; asking for the next one forgets that."""
    add(phone, evse)
    hold(station)
    add(phone, evse, "0411223344")
    look()

    assert holder() == dora


def test_w11_a_link_that_still_works_is_in_no_cache_where_it_is_refused_to_somebody_else(
    phone: Client, desk: Client, anna: Driver
) -> None:
    invite(desk, anna)
    refused = phone.post(link_to(anna))

    assert refused.status_code == 409
    assert "no-store" in refused.get("Cache-Control", "")
    assert refused["Referrer-Policy"] == "no-referrer"
