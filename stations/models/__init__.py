from stations.models.alerts import Alert, SecurityEvent
from stations.models.commands import Command
from stations.models.connections import Connection, Gateway, Presence
from stations.models.credentials import StationCredential
from stations.models.evses import Connector, Evse
from stations.models.frames import RawFrame
from stations.models.grid_support import BatterySwap, DerControl, GridEvent
from stations.models.limits import SiteLimit
from stations.models.local_lists import LocalList, LocalListEntry
from stations.models.readings import MeterReading, SignedMeterData
from stations.models.reports import Report, Variable
from stations.models.reservations import Reservation
from stations.models.session_repair import SessionDecision, StatusAnswer
from stations.models.sites import Site
from stations.models.smart_charging import (
    ChargingLimit,
    ChargingPlan,
    CompositeSchedule,
    InstalledProfile,
)
from stations.models.stations import ChargingStation
from stations.models.transactions import OrphanStop, Transaction, TransactionConflict, TransactionEvent

__all__ = [
    "Alert",
    "BatterySwap",
    "ChargingLimit",
    "ChargingPlan",
    "ChargingStation",
    "Command",
    "CompositeSchedule",
    "Connection",
    "Connector",
    "DerControl",
    "Evse",
    "Gateway",
    "GridEvent",
    "InstalledProfile",
    "LocalList",
    "LocalListEntry",
    "MeterReading",
    "OrphanStop",
    "Presence",
    "RawFrame",
    "Report",
    "Reservation",
    "SecurityEvent",
    "SessionDecision",
    "SignedMeterData",
    "Site",
    "SiteLimit",
    "StationCredential",
    "StatusAnswer",
    "Transaction",
    "TransactionConflict",
    "TransactionEvent",
    "Variable",
]
