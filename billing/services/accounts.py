"""Accounts of payers: made when the first record needs one."""

from billing.models import AccountKind, BillingAccount
from drivers.models import Driver


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
