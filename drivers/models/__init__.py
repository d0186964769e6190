"""Drivers and what they show to stations: one file per topic."""

from drivers.models.budgets import Budget, BudgetKind, BudgetPeriod
from drivers.models.drivers import Driver, DriverGroup, DriverStatus
from drivers.models.erasures import ErasedToken, Erasure, ErasureState
from drivers.models.imports import ImportedRow, TokenImport
from drivers.models.invitations import DriverInvitation
from drivers.models.policies import ChargingPolicy
from drivers.models.registrations import CardRegistration, CardRegistrationState
from drivers.models.tokens import UNTYPED, IdToken, TokenGroup, TokenStatus, TokenType

__all__ = [
    "UNTYPED",
    "Budget",
    "BudgetKind",
    "BudgetPeriod",
    "CardRegistration",
    "CardRegistrationState",
    "ChargingPolicy",
    "Driver",
    "DriverGroup",
    "DriverInvitation",
    "DriverStatus",
    "ErasedToken",
    "Erasure",
    "ErasureState",
    "IdToken",
    "ImportedRow",
    "TokenGroup",
    "TokenImport",
    "TokenStatus",
    "TokenType",
]
