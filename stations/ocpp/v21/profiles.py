"""Charging profiles in 2.1: what 2.0.1 lacks, in exactly the spelling of the schemas (P256)."""

from stations.domain.smart_charging import Kind, Purpose
from stations.ocpp.v201 import profiles as v201
from stations.ocpp.v201.profiles import Table, Words

UPDATE: Table = {
    "limit": "limit",
    "limit_l2": "limit_L2",
    "limit_l3": "limit_L3",
    "discharge_limit": "dischargeLimit",
    "discharge_limit_l2": "dischargeLimit_L2",
    "discharge_limit_l3": "dischargeLimit_L3",
    "setpoint": "setpoint",
    "setpoint_l2": "setpoint_L2",
    "setpoint_l3": "setpoint_L3",
    "setpoint_reactive": "setpointReactive",
    "setpoint_reactive_l2": "setpointReactive_L2",
    "setpoint_reactive_l3": "setpointReactive_L3",
}
MODES: Table = {
    "idle": "Idle",
    "charging_only": "ChargingOnly",
    "central_setpoint": "CentralSetpoint",
    "external_setpoint": "ExternalSetpoint",
    "external_limits": "ExternalLimits",
    "central_frequency": "CentralFrequency",
    "local_frequency": "LocalFrequency",
    "local_load_balancing": "LocalLoadBalancing",
}
WORDS = Words(
    version="2.1",
    period={
        **v201.WORDS.period,
        **UPDATE,
        "preconditioning_request": "preconditioningRequest",
        "evse_sleep": "evseSleep",
        "v2x_baseline": "v2xBaseline",
        "operation_mode": "operationMode",
        "v2x_freq_watt_curve": "v2xFreqWattCurve",
        "v2x_signal_watt_curve": "v2xSignalWattCurve",
    },
    schedule={
        **v201.WORDS.schedule,
        "limit_at_soc": "limitAtSoC",
        "power_tolerance": "powerTolerance",
        "use_local_time": "useLocalTime",
        "randomized_delay_s": "randomizedDelay",
        "absolute_price_schedule": "absolutePriceSchedule",
        "price_level_schedule": "priceLevelSchedule",
    },
    profile={
        **v201.WORDS.profile,
        "max_offline_duration_s": "maxOfflineDuration",
        "invalid_after_offline_duration": "invalidAfterOfflineDuration",
        "dyn_update_interval_s": "dynUpdateInterval",
        "dyn_update_time": "dynUpdateTime",
    },
    purposes={
        **v201.PURPOSES,
        Purpose.PRIORITY: "PriorityCharging",
        Purpose.LOCAL_GENERATION: "LocalGeneration",
    },
    kinds={**v201.KINDS, Kind.DYNAMIC: "Dynamic"},
    modes=MODES,
)
