from stations.models.alerts import Alert, SecurityEvent
from stations.models.authorizations import AuthorizationAnswer
from stations.models.budget_stops import BudgetStop
from stations.models.bulk_commands import BulkCommand, BulkPart
from stations.models.certificates import (
    CertificateStanding,
    ContractRequest,
    InstalledCertificate,
    SigningRequest,
)
from stations.models.commands import Command
from stations.models.connections import Connection, Gateway, Presence
from stations.models.credentials import StationCredential
from stations.models.data_transfers import DataTransfer, DataTransferRule
from stations.models.device_model import CustomerData, VariableChange, VariableValue
from stations.models.displays import DisplayMessage
from stations.models.evses import Connector, Evse
from stations.models.favourites import Favourite
from stations.models.firmware import FirmwareJob, JobStep, LogJob
from stations.models.firmware_images import FirmwareImage, FirmwareLink
from stations.models.firmware_rollouts import (
    FirmwareRollout,
    RolloutAttempt,
    RolloutStation,
    RolloutWave,
)
from stations.models.frames import RawFrame
from stations.models.frozen_tariffs import (
    ConnectorState,
    CostDecision,
    CostState,
    FrozenTariff,
    Level,
    SessionCost,
)
from stations.models.grid_support import BatterySwap, DerControl, GridEvent
from stations.models.limits import SiteLimit
from stations.models.local_lists import LocalList, LocalListEntry
from stations.models.log_files import LogFile
from stations.models.monitoring import EventStream, Monitor, MonitoringState, StationEvent, StreamValue
from stations.models.network import NetworkProfile
from stations.models.profile_spans import ProfileSpan
from stations.models.quirks import Quirk
from stations.models.reading_history import ReadingMinute, ReadingQuarter
from stations.models.readings import MeterReading, SignedMeterData
from stations.models.reports import Report, Variable
from stations.models.reservation_costs import ReservationCost, ReservedTariff
from stations.models.reservations import Reservation
from stations.models.scheduled_commands import ScheduledCommand, ScheduledRun
from stations.models.session_repair import SessionDecision, StatusAnswer
from stations.models.site_permissions import SitePermission
from stations.models.sites import Site
from stations.models.smart_charging import ChargingLimit, ChargingPlan, CompositeSchedule, InstalledProfile
from stations.models.station_costs import StationCost
from stations.models.station_tariffs import Settlement, StationTariff
from stations.models.stations import ChargingStation
from stations.models.tariff_assignments import TariffAssignment
from stations.models.transactions import OrphanStop, Transaction, TransactionConflict, TransactionEvent

__all__ = [
    "Alert",
    "AuthorizationAnswer",
    "BatterySwap",
    "BudgetStop",
    "BulkCommand",
    "BulkPart",
    "CertificateStanding",
    "ChargingLimit",
    "ChargingPlan",
    "ChargingStation",
    "Command",
    "CompositeSchedule",
    "Connection",
    "Connector",
    "ConnectorState",
    "ContractRequest",
    "CostDecision",
    "CostState",
    "CustomerData",
    "DataTransfer",
    "DataTransferRule",
    "DerControl",
    "DisplayMessage",
    "EventStream",
    "Evse",
    "Favourite",
    "FirmwareImage",
    "FirmwareJob",
    "FirmwareLink",
    "FirmwareRollout",
    "FrozenTariff",
    "Gateway",
    "GridEvent",
    "InstalledCertificate",
    "InstalledProfile",
    "JobStep",
    "Level",
    "LocalList",
    "LocalListEntry",
    "LogFile",
    "LogJob",
    "MeterReading",
    "Monitor",
    "MonitoringState",
    "NetworkProfile",
    "OrphanStop",
    "Presence",
    "ProfileSpan",
    "Quirk",
    "RawFrame",
    "ReadingMinute",
    "ReadingQuarter",
    "Report",
    "Reservation",
    "ReservationCost",
    "ReservedTariff",
    "RolloutAttempt",
    "RolloutStation",
    "RolloutWave",
    "ScheduledCommand",
    "ScheduledRun",
    "SecurityEvent",
    "SessionCost",
    "SessionDecision",
    "Settlement",
    "SignedMeterData",
    "SigningRequest",
    "Site",
    "SiteLimit",
    "SitePermission",
    "StationCost",
    "StationCredential",
    "StationEvent",
    "StationTariff",
    "StatusAnswer",
    "StreamValue",
    "TariffAssignment",
    "Transaction",
    "TransactionConflict",
    "TransactionEvent",
    "Variable",
    "VariableChange",
    "VariableValue",
]
