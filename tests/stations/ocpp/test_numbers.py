"""The numbers that we give to requests, reservations and profiles, as a station sees them (P219)."""

from datetime import timedelta

import pytest

from core import clock
from core.access import Actor
from stations.domain import intents
from tests.factories import make_token
from tests.stations.ocpp.asking import VERSIONS_2X, ask
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_smart_charging import ended_set, set_profile


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p219_numbers_of_requests_reservations_and_profiles_are_positive_32_bit_and_never_given_twice(
    charger: Charger, alice: Actor, version: str
) -> None:
    token = make_token(alice)
    requests, reservations, profiles = [], [], []
    with charger.dial(version) as socket:
        socket.boot()
        for _ in range(3):
            for kind in ("summary_inventory", "full_inventory"):
                call, _ = ask(
                    charger, socket, alice, intents.GetBaseReport(kind=kind), {"status": "Rejected"}
                )
                requests.append(call[3]["requestId"])
            reserve = intents.ReserveNow(
                evse_id=1,
                token_value=token.value,
                token_type=token.type,
                expires_at=clock.now() + timedelta(hours=1),
            )
            call, _ = ask(charger, socket, alice, reserve, {"status": "Rejected"})
            reservations.append(call[3]["id"])
        for level in range(3):  # at last, since a profile is followed by questions of ours
            command = ended_set(charger, socket, alice, set_profile(1, stack_level=level))
            profiles.append(command.parameters["charging_profile"]["id"])

    for numbers in (requests, reservations, profiles):
        assert len(set(numbers)) == len(numbers) >= 3
        assert all(0 < number < 2**31 for number in numbers)
