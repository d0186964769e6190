"""Accounts of payers: of a driver made when the first record needs one, of a company by a person."""

from zoneinfo import available_timezones

from django.db.transaction import atomic

from billing.models import AccountKind, BillingAccount
from core import audit
from core.access import Actor, Permission
from core.errors import Invalid
from core.models import Organization
from drivers.models import Driver

LONGEST_NAME = 200


def of_driver(driver: Driver) -> BillingAccount:
    """The driver's account; made once, by whoever needs it first."""
    found, _created = BillingAccount.objects.get_or_create(
        driver=driver,
        defaults={
            "organization_id": driver.organization_id,
            "kind": AccountKind.DRIVER,
            "name": driver.name,
            "time_zone": driver.organization.time_zone,
        },
    )
    return found


@atomic
def open_company(organization: Organization, name: str, *, time_zone: str = "", by: Actor) -> BillingAccount:
    """An account of a company; without a zone it is in the organization's. Raises :class:`Invalid`."""
    by.require_everywhere(Permission.INVOICES_MANAGE, organization)
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise Invalid("A payer's name has 1 to 200 characters.", field="name")
    made = BillingAccount.objects.create(
        organization=organization, kind=AccountKind.COMPANY, name=name,
        time_zone=_known_zone(time_zone or organization.time_zone),
    )  # fmt: skip
    audit.record("billing_account.opened", made, by=by)
    return made


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise Invalid(f"“{name}” is not a time zone of the IANA list.", field="time_zone")
    return name
