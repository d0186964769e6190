"""Drafts of tariffs and what becomes of them: published, followed by another version, retired (T-40, T-41)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Max
from django.db.transaction import atomic

from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.ids import uuid7
from core.models import Organization
from tariffs import documents, linter, parsing, pointers
from tariffs.linter import NOWHERE, Context, Level
from tariffs.models import Tariff, TariffVersion, VersionState
from tariffs.pointers import InvalidDocument, Problem

LATENESS = timedelta(minutes=1)
"""How long after its instant a wish to publish may come; it then holds from now."""
NAME_MAX = 100
DEFAULT_COUNTRY = "ZZ"
_IDENTITY = {"country_code": pointers.text(2, 2), "party_id": pointers.text(3, 3), "id": pointers.text(36, 1)}


def create(document: Mapping[str, Any], *, by: Actor, name: str = "") -> TariffVersion:
    """A new tariff with its first draft; an owner or id that is left out is made up.

    Raises :class:`Invalid` naming the field, :class:`Conflict` for an id that the owner uses already.
    """
    by.require_everywhere(Permission.TARIFFS_MANAGE)
    organization = Organization.objects.get(pk=by.home)
    whole = _completed(document, organization)
    owner = _identity(whole)
    tariff = Tariff(
        organization=organization,
        country_code=owner["country_code"],
        party_id=owner["party_id"],
        ocpi_id=owner["id"],
        name=_name(name, whole),
    )
    with atomic():
        _save_new(tariff)
        draft = _draft(tariff, whole, 1)
        draft.save(force_insert=True)
        audit.record("tariff.created", draft, by=by)
    return draft


def lock(tariff_id: UUID) -> UUID:
    """Keep others from changing the tariff until the transaction ends."""
    Tariff.objects.select_for_update().filter(pk=tariff_id).first()
    return tariff_id


def edit(tariff: Tariff, document: Mapping[str, Any], *, by: Actor, name: str | None = None) -> TariffVersion:
    """Change the draft; where there is none, the published version is followed by a new one.

    Raises :class:`Invalid` where owner or id would change, :class:`Conflict` for a retired tariff.
    """
    by.require_everywhere(Permission.TARIFFS_MANAGE, tariff)
    with atomic():
        tariff = _locked(tariff)
        whole = {**_own_identity(tariff), **_without_nulls(document)}
        _require_same_identity(tariff, whole)
        _rename(tariff, name, by)
        draft = tariff.versions.filter(state=VersionState.DRAFT).first()
        if draft is None:
            draft = _draft(tariff, whole, _next_number(tariff))
            draft.save(force_insert=True)
            audit.record("tariff.draft_opened", draft, by=by)
            return draft
        fresh = _draft(tariff, whole, draft.number)
        changes = audit.difference(draft, {"document": fresh.document})
        draft.document, draft.currency, draft.tariff = fresh.document, fresh.currency, tariff
        draft.save(update_fields=["document", "currency", "updated_at"])
        audit.record("tariff.draft_changed", draft, by=by, changes=changes)
    return draft


def discard(draft: TariffVersion, *, by: Actor) -> None:
    """Throw a draft away; a tariff of which nothing was ever published goes with it."""
    by.require_everywhere(Permission.TARIFFS_MANAGE, draft)
    with atomic():
        tariff = _locked(draft.tariff)
        if not draft.is_draft:
            raise Conflict("What is published stays. Publish another version or retire the tariff.")
        audit.record("tariff.draft_discarded", draft, by=by)
        draft.delete()
        if not tariff.versions.exists():
            tariff.delete()


def publish(
    draft: TariffVersion, *, by: Actor, valid_from: datetime | None = None, context: Context = NOWHERE
) -> TariffVersion:
    """Bring a draft into force, at once or from an instant ahead; from then on its content never changes.

    Without ``valid_from`` its own ``start_date_time`` counts, or now. The version in force ends there.
    Raises :class:`tariffs.pointers.InvalidDocument` with the errors of the linter, :class:`Invalid` for an
    instant that is over, :class:`Conflict` where a later version is scheduled already.
    """
    by.require_everywhere(Permission.TARIFFS_MANAGE, draft)
    with atomic():
        _locked(draft.tariff)
        draft = (
            TariffVersion.objects.select_for_update(of=("self",)).select_related("tariff").get(pk=draft.pk)
        )
        if not draft.is_draft:
            raise Conflict("This version is published already. Edit the tariff to make the next one.")
        require_no_errors(draft.content, context)
        now = clock.now()
        priced = parsing.parse_tariff(draft.content)
        draft.valid_from = _begin(valid_from, priced.start_at, now)
        draft.valid_to = priced.end_at
        if draft.valid_to is not None and draft.valid_to <= draft.valid_from:
            raise Invalid("The tariff would end before it begins.", field="end_date_time")
        _end_before(draft)
        draft.state, draft.published_at, draft.published_by = VersionState.PUBLISHED, now, by.label[:200]
        draft.save()
        span = {"valid_from": [None, draft.valid_from.isoformat()]}
        audit.record("tariff.published", draft, by=by, changes=span)
    return draft


def withdraw(version: TariffVersion, *, by: Actor) -> None:
    """Take back a version that has not begun; the one before it goes on. Raises :class:`Conflict`."""
    by.require_everywhere(Permission.TARIFFS_MANAGE, version)
    with atomic():
        tariff = _locked(version.tariff)
        now = clock.now()
        if version.is_draft or version.valid_from is None or version.valid_from <= now:
            raise Conflict("Only a version that has not begun can be withdrawn.")
        begin = version.valid_from
        _close(version, begin)
        before = tariff.versions.filter(valid_to=begin, valid_from__lt=begin).first()
        if before is not None and before.state == VersionState.PUBLISHED:
            before.valid_to = _own_end(before)
            before.save(update_fields=["valid_to", "updated_at"])
        audit.record("tariff.withdrawn", version, by=by)


def retire(tariff: Tariff, *, by: Actor) -> None:
    """End a tariff now; sessions that began keep their copy, history stays, and its id is free again."""
    by.require_everywhere(Permission.TARIFFS_MANAGE, tariff)
    with atomic():
        locked = _locked(tariff)
        now = clock.now()
        for version in locked.versions.filter(state=VersionState.PUBLISHED):
            _retire_version(version, now)
        locked.retired_at = now
        locked.save(update_fields=["retired_at", "updated_at"])
        audit.record("tariff.retired", locked, by=by)
    tariff.retired_at = locked.retired_at


def require_no_errors(document: Any, context: Context = NOWHERE) -> None:
    """Raises :class:`tariffs.pointers.InvalidDocument` with everything that forbids publishing."""
    wrong = [one for one in linter.lint(document, context) if one.level is Level.ERROR]
    if wrong:
        raise InvalidDocument([Problem(one.pointer, f"{one.code}: {one.message}") for one in wrong])


def _locked(tariff: Tariff) -> Tariff:
    found = Tariff.objects.select_for_update().get(pk=tariff.pk)
    if found.retired_at is not None:
        raise Conflict("The tariff is retired. Make a new one from a copy of it.")
    return found


def _completed(document: Mapping[str, Any], organization: Organization) -> dict[str, Any]:
    letters = "".join(letter for letter in organization.slug.upper() if letter.isalnum()) + "XXX"
    defaults = {
        "country_code": DEFAULT_COUNTRY,
        "party_id": letters[:3],
        "id": str(uuid7()),
        "currency": organization.currency,
    }
    return {**defaults, **_without_nulls(document)}


def _without_nulls(document: Mapping[str, Any]) -> dict[str, Any]:
    """An optional field of OCPI that is null is absent."""
    return {name: value for name, value in document.items() if value is not None}


def _identity(document: Mapping[str, Any]) -> dict[str, str]:
    found, problems = {}, []
    for name, read in _IDENTITY.items():
        try:
            found[name] = read(document[name])
        except ValueError as error:
            problems.append(Problem(f"/{name}", str(error)))
    if problems:
        raise InvalidDocument(problems)
    return found


def _own_identity(tariff: Tariff) -> dict[str, str]:
    return {"country_code": tariff.country_code, "party_id": tariff.party_id, "id": tariff.ocpi_id}


def _require_same_identity(tariff: Tariff, document: Mapping[str, Any]) -> None:
    for name, value in _own_identity(tariff).items():
        if str(document[name]).upper() != value.upper():
            raise InvalidDocument([Problem(f"/{name}", "Owner and id of a tariff stay as they are.")])


def _rename(tariff: Tariff, name: str | None, by: Actor) -> None:
    if name is None or name.strip()[:NAME_MAX] in ("", tariff.name):
        return
    changes = audit.difference(tariff, {"name": name.strip()[:NAME_MAX]})
    tariff.name = name.strip()[:NAME_MAX]
    tariff.save(update_fields=["name", "updated_at"])
    audit.record("tariff.renamed", tariff, by=by, changes=changes)


def _name(name: str, document: Mapping[str, Any]) -> str:
    """The name that was given, else the id as others see it."""
    return (name.strip() or str(document["id"]))[:NAME_MAX].replace("\x00", "")


def _draft(tariff: Tariff, document: Mapping[str, Any], number: int) -> TariffVersion:
    whole = {"last_updated": clock.to_wire(clock.now()), **document}
    currency = whole.get("currency")
    return TariffVersion(
        tariff=tariff,
        number=number,
        document=documents.dumps(whole),
        currency=currency[:3] if isinstance(currency, str) and "\x00" not in currency else "",
    )


def _save_new(tariff: Tariff) -> None:
    try:
        with atomic():
            tariff.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict("This owner has a tariff with this id already. Edit that one.", field="id") from error


def _next_number(tariff: Tariff) -> int:
    latest = tariff.versions.aggregate(latest=Max("number"))["latest"]
    return int(latest or 0) + 1


def _begin(wanted: datetime | None, own: datetime | None, now: datetime) -> datetime:
    if wanted is not None and wanted < now - LATENESS:
        raise Invalid("A tariff cannot be published into the past.", field="valid_from")
    chosen = wanted or own or now
    return max(chosen, now)


def _end_before(draft: TariffVersion) -> None:
    """The version that would still hold ends where this one begins."""
    begin = draft.valid_from
    assert begin is not None
    for other in draft.tariff.versions.exclude(pk=draft.pk).exclude(state=VersionState.DRAFT):
        if other.valid_from is None or other.valid_from == other.valid_to:
            continue
        if other.valid_from >= begin and (draft.valid_to is None or other.valid_from < draft.valid_to):
            raise Conflict(f"Version {other.number} is to begin later. Withdraw it first.")
        if other.valid_from < begin and (other.valid_to is None or other.valid_to > begin):
            other.valid_to = begin
            other.save(update_fields=["valid_to", "updated_at"])


def _retire_version(version: TariffVersion, now: datetime) -> None:
    assert version.valid_from is not None
    over = version.valid_to is not None and version.valid_to <= now
    if not over:
        version.valid_to = max(version.valid_from, now)
    version.state = VersionState.RETIRED
    version.save(update_fields=["state", "valid_to", "updated_at"])


def _close(version: TariffVersion, at: datetime) -> None:
    version.state, version.valid_to = VersionState.RETIRED, at
    version.save(update_fields=["state", "valid_to", "updated_at"])


def _own_end(version: TariffVersion) -> datetime | None:
    return parsing.parse_tariff(version.content).end_at
