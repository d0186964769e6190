"""A driver adds a card: the number that is printed on it, then the card held once to a charger (driver.md 7).

Whoever types a number has proven nothing. The card itself is the proof, at the charger that was named and within
ten minutes; until then nothing is told of the number, not even whether it is known.
"""

import re
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.transaction import atomic

from core import audit, clock, turns
from core.access import Actor, system
from core.errors import Conflict, Invalid
from core.ids import uuid7_of
from drivers import authorization
from drivers.models import (
    UNTYPED,
    CardRegistration,
    CardRegistrationState,
    Driver,
    IdToken,
    TokenStatus,
    TokenType,
)
from drivers.services import policies
from stations.domain.words import Asked
from stations.models import AuthorizationAnswer, ChargingStation, Transaction

WITHIN = timedelta(minutes=10)
A_DAY = 20
"""Tries that a driver has in 24 hours."""
MOST_CARDS = 50
SPACING = re.compile(r"[\s:.\-]+")
NUMBER = re.compile(r"[0-9A-Z]{4,36}")
CARDS = (TokenType.ISO14443.value, TokenType.ISO15693.value)
KEPT_FOR = timedelta(days=30)
AT_ONCE = 200


def begin(
    driver: Driver, *, number: str, station: ChargingStation, label: str = "", by: Actor
) -> CardRegistration:
    """Wait for the card of that number at that station; a wait of the driver's before is over.

    Raises :class:`Invalid` for what is no number, :class:`Conflict` for too many tries or cards.
    """
    value = SPACING.sub("", number).upper()
    if not NUMBER.fullmatch(value):
        raise Invalid("The number of a card has 4 to 36 digits and letters.", field="number")
    _require_room(driver)
    now = clock.now()
    with atomic():
        if Driver.objects.select_for_update().get(pk=driver.pk).retired_at is not None:
            raise Conflict("The driver is no more.")
        for before in CardRegistration.objects.open().filter(driver=driver):
            settle(before.pk, now)  # its card may have been shown already
        _end(CardRegistration.objects.open().filter(driver=driver), CardRegistrationState.EXPIRED, now)
        made = CardRegistration.objects.create(
            organization_id=driver.organization_id,
            driver=driver,
            value=value,
            label=" ".join(label.replace("\x00", "").split())[:100],
            station=station.pk,
            created_at=now,
            expires_at=now + WITHIN,
        )
        audit.record("card.registration_begun", driver, by=by)
    return made


def settle_due(now: datetime) -> int:
    """Look for the cards that are waited for, and end the waits that are over; how many ended."""
    waiting = CardRegistration.objects.open().order_by("created_at").values_list("pk", flat=True)[:AT_ONCE]
    return sum(turns.guarded(key, partial(settle, key, now)) for key in list(waiting))


def settle(key: UUID, now: datetime) -> bool:
    """End the wait if the card was shown, or if it is over. Safe to run twice."""
    with atomic():
        row = CardRegistration.objects.open().select_for_update(of=("self",)).select_related("driver")
        waiting = row.filter(pk=key).first()
        if waiting is None:
            return False
        shown = _shown(waiting).first()
        if shown is not None:
            _decide(waiting, shown, now)
        elif waiting.expires_at + timedelta(seconds=5) < now:
            _end(CardRegistration.objects.filter(pk=key), CardRegistrationState.EXPIRED, now)
        return shown is not None or waiting.expires_at < now


def forget(now: datetime) -> int:
    """Drop what was tried long ago; how many."""
    return CardRegistration.objects.filter(ended_at__lt=now - KEPT_FOR).delete()[0]


def _shown(waiting: CardRegistration) -> QuerySet[AuthorizationAnswer]:
    """Answers to a card of that number there and then; a start counts that began then, not one told later."""
    began = Transaction.objects.filter(pk=OuterRef("transaction_id"), started_at__gte=waiting.created_at)
    rows = AuthorizationAnswer.objects.filter(
        Q(asked=Asked.AUTHORIZE.value) | Q(Exists(began), asked=Asked.START.value),
        organization_id=waiting.organization_id,
        station_id=waiting.station,
        id__gte=uuid7_of(waiting.created_at, 0),
        at__gte=waiting.created_at,
        at__lte=waiting.expires_at,
        token_value__iexact=waiting.value,
        token_type__in=("", *CARDS),
    )
    return rows.order_by("-id")


def _decide(waiting: CardRegistration, shown: AuthorizationAnswer, now: datetime) -> None:
    over = waiting.driver.retired_at is not None or _contested(waiting)
    token = None if over else _token(waiting, shown)
    state = CardRegistrationState.LINKED if token else CardRegistrationState.REFUSED
    _end(CardRegistration.objects.filter(pk=waiting.pk), state, now, token)
    if token is None:
        audit.record("card.registration_refused", waiting.driver, by=_by(waiting))


def _contested(waiting: CardRegistration) -> bool:
    """Whether somebody else waited for the same card then: who of them held it cannot be told."""
    others = CardRegistration.objects.filter(
        station=waiting.station,
        value=waiting.value,
        created_at__lte=waiting.expires_at,
        expires_at__gte=waiting.created_at,
    )
    unshown = Q(state=CardRegistrationState.EXPIRED, ended_at__gte=F("expires_at"))
    return others.exclude(driver=waiting.driver).exclude(unshown).exists()


def _token(waiting: CardRegistration, shown: AuthorizationAnswer) -> IdToken | None:
    """The driver's token of that card from now on; ``None`` where it may not become theirs."""
    found = authorization.find(waiting.organization_id, waiting.value, shown.token_type)
    if found is None:
        return _made(waiting, shown) if policies.of(waiting.organization_id).any_card else None
    token = IdToken.objects.select_for_update(of=("self",)).select_related("driver", "group").get(pk=found.pk)
    if token.driver_id == waiting.driver_id:
        return token
    service = token.group is not None and token.group.master_pass
    if token.driver_id is not None or service or token.effective_status() != TokenStatus.ACCEPTED:
        return None
    token.driver, token.label = waiting.driver, token.label or waiting.label
    token.save(update_fields=["driver", "label"])
    audit.record("token.registered", token, by=_by(waiting))
    return token


def _made(waiting: CardRegistration, shown: AuthorizationAnswer) -> IdToken:
    token = IdToken.objects.create(
        organization_id=waiting.organization_id,
        value=waiting.value,
        type=shown.token_type or UNTYPED,
        label=waiting.label,
        driver=waiting.driver,
    )
    audit.record("token.registered", token, by=_by(waiting))
    return token


def _end(
    rows: QuerySet[CardRegistration],
    state: CardRegistrationState,
    now: datetime,
    token: IdToken | None = None,
) -> None:
    rows.update(state=state, ended_at=now, token=token)


def _by(waiting: CardRegistration) -> Actor:
    return system(f"card of driver:{waiting.driver_id}")


def _require_room(driver: Driver) -> None:
    since = clock.now() - timedelta(days=1)
    if CardRegistration.objects.filter(driver=driver, created_at__gt=since).count() >= A_DAY:
        raise Conflict("That was tried too often today. Ask the operator to add the card.")
    if IdToken.objects.live().filter(driver=driver).count() >= MOST_CARDS:
        raise Conflict("You have 50 cards. Ask the operator to take some away first.")
