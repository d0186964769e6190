"""When and how an organization asks for overdue invoices: off until somebody switches it on (billing B-47)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from django.db.transaction import atomic

from billing.models import DunningKind, DunningPolicy, DunningRule, DunningTerms
from billing.services.parties import LANGUAGES
from core import audit, clock, countries
from core.access import Actor, Permission
from core.errors import Invalid
from core.models import Organization
from core.money import minor_units

LATEST_DAYS = 365
LONGEST_TEXT = 2000
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of some terms: ``days`` after the due date, ``fee`` in their currency, own words by language."""

    kind: DunningKind
    days: int
    fee: Decimal = _NOTHING
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """The steps for payers of a country, in their order."""

    country: str
    currency: str
    steps: tuple[Step, ...]

    def after(self, kinds: Sequence[str]) -> Step | None:
        """The first step later than all of these kinds; ``None`` after the last."""
        place = max((_PLACE[kind] for kind in kinds), default=-1)
        return next((step for step in self.steps if _PLACE[step.kind] > place), None)

    def days_of(self, kind: str) -> int:
        return next((step.days for step in self.steps if step.kind == kind), 0)


_PLACE: Mapping[str, int] = {kind.value: place for place, kind in enumerate(DunningKind)}
DEFAULT = Terms(
    country="", currency="EUR",
    steps=(Step(DunningKind.REMINDER, 7), Step(DunningKind.SECOND, 21), Step(DunningKind.FINAL, 35)),
)  # fmt: skip
"""Where an organization has entered none: no fee, since not every law allows one."""


def policy_of(organization: Organization) -> DunningPolicy:
    """The stored one, or one that is off."""
    return DunningPolicy.objects.filter(pk=organization.pk).first() or DunningPolicy(
        organization=organization
    )


@atomic
def switch(
    organization: Organization, *, enabled: bool, starts_on: date | None = None, by: Actor
) -> DunningPolicy:
    """On or off. Invoices that were due before ``starts_on`` are left alone; without a day that is today."""
    by.require_everywhere(Permission.ORG_SETTINGS, organization)
    row = DunningPolicy.objects.select_for_update().filter(pk=organization.pk).first()
    row = row or DunningPolicy(organization=organization)
    today = clock.now().astimezone(ZoneInfo(organization.time_zone)).date()
    begins = starts_on or row.starts_on or (today if enabled else None)
    changes = audit.difference(row, {"enabled": enabled, "starts_on": begins})
    row.enabled, row.starts_on = enabled, begins
    row.save()
    audit.record("dunning_policy.changed", row, by=by, changes=changes)
    return row


@atomic
def save_terms(organization: Organization, terms: Terms, *, by: Actor) -> Terms:
    """Put these in the place of the country's. Steps that were taken stay. Raises :class:`Invalid`."""
    by.require_everywhere(Permission.ORG_SETTINGS, organization)
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    fit = checked(terms)
    row, _created = DunningTerms.objects.update_or_create(
        organization=organization, country=fit.country, defaults={"currency": fit.currency}
    )
    before = told(_of_row(row))
    row.rules.all().delete()
    DunningRule.objects.bulk_create(
        DunningRule(terms=row, kind=one.kind, days=one.days, fee=one.fee, texts=dict(one.texts))
        for one in fit.steps
    )
    audit.record("dunning_terms.changed", row, by=by, changes={str(row): [before, told(fit)]})
    return fit


@atomic
def drop_terms(organization: Organization, country: str, *, by: Actor) -> None:
    """Its payers are asked like all others from now on."""
    by.require_everywhere(Permission.ORG_SETTINGS, organization)
    row = DunningTerms.objects.select_for_update().filter(organization=organization, country=country).first()
    if row is not None:
        audit.record("dunning_terms.dropped", row, by=by, changes={str(row): [told(_of_row(row)), None]})
        row.delete()


def all_terms(organization: Organization) -> list[Terms]:
    """Those for all other countries first, entered or not."""
    rows = DunningTerms.objects.filter(organization=organization).prefetch_related("rules")
    found = [_of_row(row) for row in rows]
    return found if found and not found[0].country else [DEFAULT, *found]


def terms_for(known: Sequence[Terms], country: str) -> Terms:
    """Of the payer's country, else those for all others."""
    return next((one for one in known if country and one.country == country), known[0])


def checked(terms: Terms) -> Terms:
    """With the country in two letters and the steps in order. Raises :class:`Invalid` naming the field."""
    country = countries.alpha_2(terms.country) if terms.country else ""
    digits = minor_units(terms.currency)
    steps = sorted(terms.steps, key=lambda step: _PLACE[step.kind])
    if not steps or len({step.kind for step in steps}) < len(steps):
        raise Invalid("There is at least one step, and each kind at most once.", field="steps")
    for step in steps:
        _check(step, digits)
    if any(later.days <= step.days for step, later in pairwise(steps)):
        raise Invalid("Each step is some days later than the one before.", field="steps")
    return Terms(country, terms.currency, tuple(steps))


def told(terms: Terms) -> str:
    """In one line, for the audit."""
    return ", ".join(f"{one.kind} +{one.days} {one.fee:.2f} {terms.currency}" for one in terms.steps)


def _check(step: Step, digits: int) -> None:
    if not 1 <= step.days <= LATEST_DAYS:
        raise Invalid("A step is 1 to 365 days after the due date.", field="days")
    if not step.fee.is_finite() or not 0 <= step.fee < 1000 or step.fee != round(step.fee, digits):
        raise Invalid("A fee is below 1000, not below nothing, and in whole minor units.", field="fee")
    if any(
        language not in LANGUAGES or len(text) > LONGEST_TEXT or not text.replace("\n", " ").isprintable()
        for language, text in step.texts.items()
    ):
        raise Invalid("A text has at most 2000 characters for each language.", field="texts")


def _of_row(row: DunningTerms) -> Terms:
    steps = (Step(DunningKind(one.kind), one.days, one.fee, one.texts) for one in row.rules.all())
    return Terms(row.country, row.currency, tuple(steps))
