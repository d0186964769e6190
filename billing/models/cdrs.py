"""The sealed result of a session, or of a reservation that none used: never changed, never deleted (billing B-09)."""

from typing import Any
from uuid import UUID

from django.db import models

from billing.models.accounts import BillingAccount
from billing.models.home import HomeAgreement
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.models import Reservation, Site, Transaction


class CdrQuerySet(ScopedQuerySet["Cdr"]):
    limit_path = "site_id"


class Cdr(models.Model):
    """A charge detail record, or with ``credit`` the one that takes it back (B-04, B-10).

    Amounts ``payable_*`` are whole minor units as frozen by the price; the ``total_*`` beside them are exact to
    four decimals, ``None`` where a tax is not known. Energies are in kWh. ``reference`` is its id in OCPI.
    ``content`` is everything that a document needs, ``digest`` the SHA-256 of its canonical JSON. ``replaces``
    names the credited record that this one stands for. It is of a session or, where none used it, of a reservation.
    With a ``home_agreement`` it is of home charging, and its amount is what the driver is paid (B-52).
    A trigger refuses every update and deletion.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    reference = models.CharField(max_length=39, unique=True)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True)
    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, null=True, related_name="cdrs")
    reservation = models.ForeignKey(
        Reservation, on_delete=models.PROTECT, null=True, related_name="cdrs", db_index=False
    )
    account = models.ForeignKey(BillingAccount, on_delete=models.PROTECT, null=True, related_name="cdrs")
    credit = models.BooleanField(default=False)
    credit_reference = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="credited_by"
    )
    replaces = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="replaced_by")
    home_agreement = models.ForeignKey(
        HomeAgreement, on_delete=models.PROTECT, null=True, related_name="cdrs", db_index=False
    )

    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    energy_kwh = models.DecimalField(max_digits=16, decimal_places=6)
    meter_start_wh = models.DecimalField(max_digits=16, decimal_places=3, null=True)
    meter_end_wh = models.DecimalField(max_digits=16, decimal_places=3, null=True)
    currency = models.CharField(max_length=3)
    basis = models.CharField(max_length=5)
    total_excl_vat = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    total_incl_vat = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    payable_excl_vat = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    payable_vat = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    payable_incl_vat = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    content = models.JSONField()
    digest = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()

    objects = CdrQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["transaction"],
                condition=models.Q(credit=False, replaces=None),
                name="cdr_once_per_transaction",
            ),
            models.UniqueConstraint(
                fields=["reservation"],
                condition=models.Q(credit=False, replaces=None, reservation__isnull=False),
                name="cdr_once_per_reservation",
            ),
            models.CheckConstraint(
                condition=models.Q(transaction=None) ^ models.Q(reservation=None), name="cdr_of_one_thing"
            ),
            models.CheckConstraint(
                condition=models.Q(credit=True, credit_reference__isnull=False, replaces=None)
                | models.Q(credit=False, credit_reference=None),
                name="cdr_credit_has_reference",
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at__gte=models.F("started_at")), name="cdr_ends_after_start"
            ),
            models.CheckConstraint(
                condition=models.Q(payable_excl_vat__isnull=False) | models.Q(payable_incl_vat__isnull=False),
                name="cdr_has_an_amount",
            ),
            models.CheckConstraint(
                condition=models.Q(payable_excl_vat=None)
                | models.Q(payable_vat=None)
                | models.Q(payable_incl_vat=models.F("payable_excl_vat") + models.F("payable_vat")),
                name="cdr_amounts_agree",
            ),
            models.CheckConstraint(
                condition=models.Q(meter_start_wh=None)
                | models.Q(meter_end_wh=None)
                | models.Q(meter_end_wh__gte=models.F("meter_start_wh")),
                name="cdr_registers_rise",
            ),
            models.CheckConstraint(
                condition=models.Q(total_excl_vat=None)
                | models.Q(total_incl_vat=None)
                | models.Q(total_excl_vat__lte=0)
                | models.Q(total_incl_vat__gte=models.F("total_excl_vat")),
                name="cdr_vat_takes_nothing_away",
            ),
            models.CheckConstraint(condition=models.Q(basis__in=["gross", "net"]), name="cdr_basis_known"),
            models.CheckConstraint(
                condition=models.Q(home_agreement=None)
                | models.Q(basis="net", payable_excl_vat__isnull=False, transaction__isnull=False),
                name="cdr_of_home_charging_is_net",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="cdr_by_organization"),
            models.Index(fields=["account", "ended_at"], name="cdr_by_account"),
            models.Index(
                fields=["reservation"],
                condition=models.Q(reservation__isnull=False),
                name="cdr_by_reservation",
            ),
            models.Index(
                fields=["home_agreement", "ended_at"],
                condition=models.Q(home_agreement__isnull=False),
                name="cdr_by_home_agreement",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def limit_id(self) -> UUID | None:
        return self.site_id

    @property
    def home_charging_compensation(self) -> bool:
        """As OCPI has it: what the driver is paid for it, not what anybody charges the driver."""
        return self.home_agreement_id is not None

    @property
    def vat_groups(self) -> list[dict[str, Any]]:
        """What is payable for each rate of VAT."""
        found: list[dict[str, Any]] = self.content["price"]["vat_groups"]
        return found
