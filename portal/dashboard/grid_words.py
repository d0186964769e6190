"""How controls for the grid, their alarms and ways of energy transfer are said: one table each."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from portal.dashboard.words import Text, Word
from stations.domain.grid_support import GridEventKind

CONTROL: Mapping[str, Text] = {
    "EnterService": _("Return to service"),
    "FixedPFAbsorb": _("Fixed power factor, absorbing"),
    "FixedPFInject": _("Fixed power factor, injecting"),
    "FixedVar": _("Fixed reactive power"),
    "FreqDroop": _("Frequency droop"),
    "FreqWatt": _("Power by frequency"),
    "Gradients": _("Ramp rates"),
    "HFMayTrip": _("High frequency: may trip"),
    "HFMustTrip": _("High frequency: must trip"),
    "HVMayTrip": _("High voltage: may trip"),
    "HVMomCess": _("High voltage: momentary cessation"),
    "HVMustTrip": _("High voltage: must trip"),
    "LFMustTrip": _("Low frequency: must trip"),
    "LVMayTrip": _("Low voltage: may trip"),
    "LVMomCess": _("Low voltage: momentary cessation"),
    "LVMustTrip": _("Low voltage: must trip"),
    "LimitMaxDischarge": _("Limit of discharging"),
    "PowerMonitoringMustTrip": _("Power monitoring: must trip"),
    "VoltVar": _("Reactive power by voltage"),
    "VoltWatt": _("Power by voltage"),
    "WattPF": _("Power factor by power"),
    "WattVar": _("Reactive power by power"),
}

RUNNING = Word(_("Running"), icon="player-play", look="charging")
WAITING = Word(_("Not running"), icon="player-pause", look="unavailable")
HELD = Word(_("Held"), icon="check", look="available")
SUPERSEDED = Word(_("Superseded"), icon="circle-minus", look="unavailable")

EVENT: Mapping[str, Word] = {
    GridEventKind.ALARM: Word(_("Alarm"), icon="alert-triangle", look="faulted"),
    GridEventKind.ALARM_ENDED: Word(_("Alarm ended"), icon="circle-check", look="available"),
    GridEventKind.STARTED: Word(_("Started"), icon="player-play", look="charging"),
    GridEventKind.STOPPED: Word(_("Stopped"), icon="player-stop", look="unavailable"),
}

FAULT: Mapping[str, Text] = {
    "CurrentImbalance": _("Imbalance of currents"),
    "LocalEmergency": _("Local emergency"),
    "LowInputPower": _("Low input power"),
    "OverCurrent": _("Overcurrent"),
    "OverFrequency": _("Frequency too high"),
    "OverVoltage": _("Voltage too high"),
    "PhaseRotation": _("Wrong rotation of phases"),
    "RemoteEmergency": _("Remote emergency"),
    "UnderFrequency": _("Frequency too low"),
    "UnderVoltage": _("Voltage too low"),
    "VoltageImbalance": _("Imbalance of voltages"),
}

SWAP: Mapping[str, Word] = {
    "BatteryIn": Word(_("Taken back"), icon="battery-1", look="plugged_in"),
    "BatteryOut": Word(_("Handed out"), icon="battery-4", look="available"),
    "BatteryOutTimeout": Word(_("Not fetched in time"), icon="clock-off", look="paused"),
}

TRANSFER: Mapping[str, Text] = {
    "AC_single_phase": _("AC, one phase"),
    "AC_two_phase": _("AC, two phases"),
    "AC_three_phase": _("AC, three phases"),
    "DC": _("DC"),
    "AC_BPT": _("AC, both ways"),
    "AC_BPT_DER": _("AC, both ways, with grid controls"),
    "AC_DER": _("AC, with grid controls"),
    "DC_BPT": _("DC, both ways"),
    "DC_ACDP": _("DC by pantograph"),
    "DC_ACDP_BPT": _("DC by pantograph, both ways"),
    "WPT": _("Wireless"),
}

CONTROL_MODE: Mapping[str, Text] = {
    "scheduled_control": _("by schedule"),
    "dynamic_control": _("controlled all the time"),
}

UNIT: Mapping[str, Text] = {
    "PctMaxW": _("% of the greatest power"),
    "PctMaxVar": _("% of the greatest reactive power"),
    "PctWAvail": _("% of the available power"),
    "PctVarAvail": _("% of the available reactive power"),
    "PctEffectiveV": _("% of the effective voltage"),
    "Not_Applicable": _("no unit"),
}

SETTING: Mapping[str, Text] = {
    "priority": _("Priority"),
    "highVoltage": _("Highest voltage"),
    "lowVoltage": _("Lowest voltage"),
    "highFreq": _("Highest frequency (Hz)"),
    "lowFreq": _("Lowest frequency (Hz)"),
    "delay": _("Delay (s)"),
    "randomDelay": _("Random delay (s)"),
    "rampRate": _("Ramp (s)"),
    "displacement": _("Power factor (cos φ)"),
    "setpoint": _("Setpoint (%)"),
    "overFreq": _("Starts above (Hz)"),
    "underFreq": _("Starts below (Hz)"),
    "overDroop": _("Droop above"),
    "underDroop": _("Droop below"),
    "responseTime": _("Response time (s)"),
    "gradient": _("Ramp (s)"),
    "softGradient": _("Soft start (s)"),
    "pctMaxDischargePower": _("Greatest discharge (%)"),
}
