"""Reservations: asked for, kept, used, cancelled, expired (block H, P255)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core import clock
from core.access import Actor, Role
from core.errors import Conflict, DomainError, Invalid, NotFound, NotPermitted
from drivers.services import tokens
from stations.domain import intents
from stations.models import Reservation, Variable
from stations.services import reservations
from tests.factories import make_actor, make_organization, make_token
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, ended, issue, now, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire

TOKEN = "04A1B2C3D4"


def wanted(**changes: Any) -> intents.ReserveNow:
    values: dict[str, Any] = {"evse_id": 1, "token_value": TOKEN, "token_type": "ISO14443"}
    return intents.ReserveNow(**{"expires_at": clock.now() + timedelta(hours=1), **values, **changes})


def reservation_of(charger: Charger) -> Reservation:
    return Reservation.objects.select_related("command", "transaction").get(station=charger.station)


def report_status(socket: WireStation, word: str, *, evse_id: int = 1) -> None:
    if socket.version == "1.6":
        told = wire("v16/StatusNotification.available", status=word, timestamp=now(), connectorId=evse_id)
    else:
        told = wire(
            "v201/StatusNotification.available", connectorStatus=word, timestamp=now(), evseId=evse_id
        )
    socket.call("StatusNotification", told)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_accepted_reservation_is_active_and_seen_by_the_status(
    charger: Charger, alice: Actor, version: str
) -> None:
    group = tokens.create_group(name="Neighbours", token="GROUP1", by=alice)
    make_token(alice, TOKEN, type_="ISO14443", group=group)
    intent = wanted()
    with charger.dial(version) as socket:
        socket.boot()
        report_status(socket, "Available")
        call, command = ask(charger, socket, alice, intent, {"status": "Accepted"})
        report_status(socket, "Reserved")
        with_effect(command)

    kept = reservation_of(charger)
    expiry = clock.to_wire(intent.expires_at)
    if version == "1.6":
        expected: dict[str, Any] = {
            "connectorId": 1,
            "expiryDate": expiry,
            "idTag": TOKEN,
            "parentIdTag": "GROUP1",
            "reservationId": kept.number,
        }
    else:
        expected = {
            "id": kept.number,
            "expiryDateTime": expiry,
            "idToken": {"idToken": TOKEN, "type": "ISO14443"},
            "groupIdToken": {"idToken": "GROUP1", "type": "Central"},
            "evseId": 1,
        }
    assert call[2:] == ["ReserveNow", expected]
    assert (kept.status, kept.ended_at, kept.command) == ("active", None, command)
    assert kept.evse is not None
    assert (command.status, command.effect) == ("accepted", "seen")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("word", ["Faulted", "Occupied", "Rejected", "Unavailable"])
def test_a_refused_reservation_says_why(charger: Charger, alice: Actor, version: str, word: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        report_status(socket, "Available")
        _, command = ask(charger, socket, alice, wanted(), {"status": word})

    kept = reservation_of(charger)
    assert command.status == "rejected"
    assert (kept.status, kept.detail) == ("refused", word)
    assert kept.ended_at is not None


def test_a_reservation_at_an_offline_station_fails_at_once(charger: Charger, alice: Actor) -> None:
    command = issue(charger, alice, wanted(evse_id=None))

    assert command.status == "failed"
    assert reservation_of(charger).status == "failed"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_callerror_ends_the_reservation_and_its_number_is_not_given_again(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        report_status(socket, "Available")
        command = issue(charger, alice, wanted())
        call = socket.next_call()
        socket.send([4, call[1], "InternalError", "", {}])
        ended(command)
        _, second = ask(charger, socket, alice, wanted(), {"status": "Accepted"})

    first, later = Reservation.objects.filter(station=charger.station).order_by("id")
    assert (first.status, later.status) == ("failed", "active")
    assert 0 < first.number < later.number < 2**31
    assert second.status == "accepted"


@pytest.mark.parametrize("version", VERSIONS)
def test_p255_a_session_that_names_its_reservation_ends_it(
    charger: Charger, alice: Actor, version: str
) -> None:
    make_token(alice, TOKEN, type_="ISO14443")
    with charger.dial(version) as socket:
        socket.boot()
        report_status(socket, "Available")
        ask(charger, socket, alice, wanted(), {"status": "Accepted"})
        number = reservation_of(charger).number
        if version == "1.6":
            start = wire("v16/StartTransaction.plain", reservationId=number, timestamp=now())
            assert socket.call("StartTransaction", start) == socket.call("StartTransaction", start)
        else:
            started = wire("v201/TransactionEvent.started", reservationId=number, timestamp=now())
            assert socket.call("TransactionEvent", started) == socket.call("TransactionEvent", started)

    kept = reservation_of(charger)
    assert kept.status == "used"
    assert kept.transaction is not None
    assert kept.transaction.reservation_id == number


@pytest.mark.parametrize("version", VERSIONS)
def test_p255_a_session_without_the_number_leaves_the_reservation_as_it_is(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        report_status(socket, "Available")
        ask(charger, socket, alice, wanted(), {"status": "Accepted"})
        if version == "1.6":
            socket.call("StartTransaction", wire("v16/StartTransaction.plain", timestamp=now()))
        else:
            socket.call("TransactionEvent", wire("v201/TransactionEvent.started", timestamp=now()))

    assert reservation_of(charger).status == "active"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reservation_is_cancelled_only_where_the_station_agrees(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        report_status(socket, "Available")
        ask(charger, socket, alice, wanted(), {"status": "Accepted"})
        report_status(socket, "Reserved")
        kept = reservation_of(charger)
        cancel = intents.CancelReservation(reservation=kept.pk)
        call, refused = ask(charger, socket, alice, cancel, {"status": "Rejected"})
        after_refusal = reservation_of(charger).status
        _, accepted = ask(charger, socket, alice, cancel, {"status": "Accepted"})
        report_status(socket, "Available")
        with_effect(accepted)

    assert call[2:] == ["CancelReservation", {"reservationId": kept.number}]
    assert (refused.status, after_refusal) == ("rejected", "active")
    assert reservation_of(charger).status == "cancelled"
    assert accepted.effect == "seen"
    with pytest.raises(Conflict):
        issue(charger, alice, cancel)


@pytest.mark.parametrize(
    ("version", "word", "status"),
    [
        ("2.0.1", "Expired", "expired"),
        ("2.0.1", "Removed", "removed"),
        ("2.1", "Expired", "expired"),
        ("2.1", "Removed", "removed"),
        ("2.1", "NoTransaction", "expired"),
    ],
)
def test_p255_a_reservation_that_the_station_gave_up_is_over(
    charger: Charger, alice: Actor, version: str, word: str, status: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        report_status(socket, "Available")
        ask(charger, socket, alice, wanted(), {"status": "Accepted"})
        number = reservation_of(charger).number
        told = wire(
            "v201/ReservationStatusUpdate.expired", reservationId=number, reservationUpdateStatus=word
        )
        answers = [socket.call("ReservationStatusUpdate", told) for _ in range(2)]

    kept = reservation_of(charger)
    assert answers == [{}, {}]
    assert (kept.status, kept.detail) == (status, word)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_the_end_of_a_reservation_that_we_never_made_is_answered_and_changes_nothing(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        report_status(socket, "Available")
        ask(charger, socket, alice, wanted(), {"status": "Accepted"})
        assert socket.call("ReservationStatusUpdate", wire("v201/ReservationStatusUpdate.expired")) == {}

    assert reservation_of(charger).status == "active"


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reservationUpdateStatus": None}, "OccurrenceConstraintViolation"),
        ({"reservationUpdateStatus": "Lost"}, "PropertyConstraintViolation"),
        ({"reservationId": "7"}, "TypeConstraintViolation"),
        ({"reservationId": 2**40}, "PropertyConstraintViolation"),
        ({"reservationId": -1}, "PropertyConstraintViolation"),
    ],
)
def test_a_wrong_status_update_is_refused(
    charger: Charger, version: str, changes: dict[str, Any], code: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            socket.call("ReservationStatusUpdate", wire("v201/ReservationStatusUpdate.expired", **changes))

    assert refused.value.code == code


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p080_a_lenient_station_may_give_a_reason_of_its_own(
    charger: Charger, alice: Actor, version: str
) -> None:
    charger.set(lenient=True)
    with charger.dial(version) as socket:
        socket.boot()
        report_status(socket, "Available")
        ask(charger, socket, alice, wanted(), {"status": "Accepted"})
        number = reservation_of(charger).number
        told = wire(
            "v201/ReservationStatusUpdate.expired", reservationId=number, reservationUpdateStatus="Lost"
        )
        assert socket.call("ReservationStatusUpdate", told) == {}

    kept = reservation_of(charger)
    assert (kept.status, kept.detail) == ("removed", "Lost")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_evse_is_reserved_once(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        report_status(socket, "Available")
        ask(charger, socket, alice, wanted(), {"status": "Accepted"})
        with pytest.raises(Conflict, match="reserved already"):
            issue(charger, alice, wanted(token_value="04FFFFFFFF"))

    assert Reservation.objects.filter(station=charger.station).count() == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reservation_is_renewed_under_its_number(charger: Charger, alice: Actor, version: str) -> None:
    later = clock.now().replace(microsecond=0) + timedelta(hours=3)
    with charger.dial(version) as socket:
        socket.boot()
        report_status(socket, "Available")
        first, _ = ask(charger, socket, alice, wanted(), {"status": "Accepted"})
        kept = reservation_of(charger)
        again, _ = ask(
            charger, socket, alice, wanted(reservation=kept.pk, expires_at=later), {"status": "Accepted"}
        )

    name = "reservationId" if version == "1.6" else "id"
    assert again[3][name] == first[3][name]
    assert reservation_of(charger).expires_at == later


def kept_of(charger: Charger) -> tuple[Any, ...]:
    row = Reservation.objects.select_related("evse", "token").get(station=charger.station)
    assert row.token is not None
    return row.status, row.evse and row.evse.evse_id, row.token_value, row.token.value


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("Accepted", ("active", 2, "04BB", "04BB")),
        ("Occupied", ("active", 1, TOKEN, TOKEN)),
    ],
)
def test_a_renewal_for_somebody_else_counts_once_the_station_agrees(
    charger: Charger, alice: Actor, version: str, answer: str, kept: tuple[Any, ...]
) -> None:
    for value in (TOKEN, "04BB"):
        make_token(alice, value, type_="ISO14443")
    with charger.dial(version) as socket:
        socket.boot()
        for evse_id in (1, 2):
            report_status(socket, "Available", evse_id=evse_id)
        ask(charger, socket, alice, wanted(), {"status": "Accepted"})
        pk = reservation_of(charger).pk
        other = wanted(reservation=pk, evse_id=2, token_value="04BB")
        command = issue(charger, alice, other)
        before = kept_of(charger)
        socket.reply(socket.next_call(), {"status": answer})
        ended(command)

    assert before == ("active", 1, TOKEN, TOKEN)
    assert kept_of(charger) == kept


def test_a_renewal_takes_no_evse_that_another_reservation_keeps(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        for evse_id in (1, 2):
            report_status(socket, "Available", evse_id=evse_id)
            ask(charger, socket, alice, wanted(evse_id=evse_id), {"status": "Accepted"})
        first, _second = Reservation.objects.filter(station=charger.station).order_by("id")

        with pytest.raises(Conflict, match="EVSE 2 is reserved already"):
            issue(charger, alice, wanted(reservation=first.pk, evse_id=2))


def test_any_connector_of_a_1_6_station_is_reserved_only_where_it_says_so(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        refused = ended(issue(charger, alice, wanted(evse_id=None)))
        Variable.objects.create(
            station=charger.station,
            variable="ReserveConnectorZeroSupported",
            value="true",
            changed_at=clock.now(),
            reported_at=clock.now(),
        )
        call, accepted = ask(charger, socket, alice, wanted(evse_id=None), {"status": "Accepted"})

    assert refused.status == "not_supported"
    assert call[3]["connectorId"] == 0
    assert accepted.status == "accepted"


@pytest.mark.parametrize(
    ("version", "changes", "status"),
    [
        ("1.6", {"connector_type": "cCCS2", "evse_id": None}, "not_supported"),
        ("1.6", {"token_value": "0" * 21, "evse_id": None}, "not_supported"),
        ("2.0.1", {"connector_type": "cOwn", "evse_id": None}, "not_supported"),
        ("2.0.1", {"token_type": "VIN", "evse_id": None}, "not_supported"),
    ],
)
def test_what_a_version_cannot_say_is_not_said(
    charger: Charger, alice: Actor, version: str, changes: dict[str, Any], status: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = ended(issue(charger, alice, wanted(**changes)))
        assert socket.call("Heartbeat", {})["currentTime"]

    assert command.status == status
    assert not socket.calls
    assert reservation_of(charger).status == "failed"


@pytest.mark.parametrize(("version", "kind"), [("2.0.1", "cCCS2"), ("2.1", "cOwn")])
def test_any_evse_of_a_kind_is_reserved(charger: Charger, alice: Actor, version: str, kind: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        intent = wanted(evse_id=None, connector_type=kind)
        call, _ = ask(charger, socket, alice, intent, {"status": "Accepted"})

    assert call[3]["connectorType"] == kind
    assert "evseId" not in call[3]


@pytest.mark.parametrize("hours", [-1, 24 * 8])
def test_a_reservation_ends_within_a_week_from_now(charger: Charger, alice: Actor, hours: int) -> None:
    with pytest.raises(Invalid, match="next 7 days"):
        issue(charger, alice, wanted(expires_at=clock.now() + timedelta(hours=hours)))

    assert not Reservation.objects.filter(station=charger.station).exists()


def test_a_reservation_whose_end_nobody_told_expires_by_itself(charger: Charger, alice: Actor) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        report_status(socket, "Available")
        ask(charger, socket, alice, wanted(), {"status": "Accepted"})
    kept = reservation_of(charger)

    reservations.expire(kept.expires_at + timedelta(minutes=1))
    shortly_after = reservation_of(charger).status
    reservations.expire(kept.expires_at + timedelta(minutes=6))

    assert shortly_after == "active"
    assert reservation_of(charger).status == "expired"


def test_the_sweeper_looks_for_reservations_that_are_over(charger: Charger, alice: Actor) -> None:
    issue(charger, alice, wanted(evse_id=None))
    Reservation.objects.filter(station=charger.station).update(
        status="active", ended_at=None, expires_at=clock.now() - timedelta(hours=1)
    )

    from stations.services import sweeping

    eventually(lambda: sweeping.sweep()["reservations"] is not None, what="the sweeper's turn")
    assert reservation_of(charger).status == "expired"


def test_strangers_and_viewers_reserve_and_cancel_nothing(charger: Charger, alice: Actor) -> None:
    charlie = make_actor(make_organization(), name="charlie")
    issue(charger, alice, wanted(evse_id=None))
    kept = reservation_of(charger)
    Reservation.objects.filter(pk=kept.pk).update(status="active", ended_at=None)
    cancel = intents.CancelReservation(reservation=kept.pk)
    viewer = make_actor_of(alice, Role.VIEWER)

    refusals: list[type[DomainError]] = []
    for actor in (charlie, viewer):
        for intent in (wanted(evse_id=None), cancel):
            with pytest.raises((NotFound, NotPermitted)) as refused:
                issue(charger, actor, intent)
            refusals.append(refused.type)

    assert refusals == [NotFound, NotFound, NotPermitted, NotPermitted]
    assert Reservation.objects.filter(station=charger.station).count() == 1
    with pytest.raises(NotFound):
        issue(charger, alice, intents.CancelReservation(reservation=UUID(int=1)))


def make_actor_of(alice: Actor, role: Role) -> Actor:
    from core.models import Organization

    return make_actor(Organization.objects.get(pk=alice.organization_id), role, "bob")
