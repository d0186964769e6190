"""How states are said and drawn: one table each, used by every page."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core import clock
from core.access import Permission
from stations.domain.certificates import CertificateUse, SigningStatus
from stations.domain.firmware import JobStatus
from stations.domain.words import CommandStatus, ConnectorStatus, Effect, Flag, TransactionStatus
from stations.models import Command

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Word:
    """A state in words with its drawing and its look (a class of ``app.css``)."""

    text: Text
    icon: str
    look: str = "off"


STATUS: Mapping[str, Word] = {
    ConnectorStatus.AVAILABLE: Word(_("Available"), icon="circle-check"),
    ConnectorStatus.PLUGGED_IN: Word(_("Plugged in"), icon="plug"),
    ConnectorStatus.CHARGING: Word(_("Charging"), icon="bolt"),
    ConnectorStatus.PAUSED: Word(_("Paused"), icon="player-pause"),
    ConnectorStatus.RESERVED: Word(_("Reserved"), icon="bookmark"),
    ConnectorStatus.FAULTED: Word(_("Faulted"), icon="alert-triangle"),
    ConnectorStatus.UNAVAILABLE: Word(_("Unavailable"), icon="ban"),
    ConnectorStatus.OFFLINE: Word(_("Offline"), icon="cloud-off"),
    ConnectorStatus.UNKNOWN: Word(_("Unknown"), icon="help"),
}

PAUSED_BY: Mapping[str, Text] = {
    "SuspendedEV": _("Paused by the car"),
    "SuspendedEVSE": _("Paused by the station"),
}

COMMAND_STATE: Mapping[str, Word] = {
    CommandStatus.PENDING: Word(_("Queued"), icon="clock", look="off"),
    CommandStatus.SENT: Word(_("Sent"), icon="send", look="run"),
    CommandStatus.ACCEPTED: Word(_("Accepted"), icon="check", look="ok"),
    CommandStatus.REJECTED: Word(_("Rejected"), icon="x", look="bad"),
    CommandStatus.FAILED: Word(_("Failed"), icon="alert-circle", look="bad"),
    CommandStatus.TIMED_OUT: Word(_("No answer"), icon="clock-exclamation", look="warn"),
    CommandStatus.EXPIRED: Word(_("Expired"), icon="clock-off", look="off"),
    CommandStatus.CANCELLED: Word(_("Cancelled"), icon="circle-minus", look="off"),
    CommandStatus.NOT_SUPPORTED: Word(_("Not supported"), icon="circle-off", look="bad"),
}
PLAN_STATE: Mapping[str, Word] = {
    "planned": Word(_("Planned"), icon="clock", look="run"),
    "done": Word(_("Over"), icon="check", look="off"),
    "cancelled": COMMAND_STATE[CommandStatus.CANCELLED],
}
RUN_STATE: Mapping[str, Word] = {
    "issued": Word(_("Issued"), icon="send", look="ok"),
    "missed": Word(_("Missed"), icon="clock-exclamation", look="warn"),
    "refused": Word(_("Refused"), icon="x", look="bad"),
}
AVAILABILITY: Mapping[str, Text] = {"operative": _("In service"), "inoperative": _("Out of service")}
AWAITED = Word(_("Accepted, waiting for the effect"), icon="eye", look="run")
CONNECTION_LOST = Word(_("Connection lost"), icon="plug-connected-x", look="warn")
STATION_OFFLINE = Word(_("Station offline"), icon="cloud-off", look="warn")
FAILED_BY: Mapping[str, Word] = {"disconnected": CONNECTION_LOST, "offline": STATION_OFFLINE}
EFFECT: Mapping[str, Word] = {
    Effect.SEEN: Word(_("Effect seen"), icon="checks", look="ok"),
    Effect.NOT_SEEN: Word(_("Effect not seen"), icon="eye-off", look="warn"),
}


def command_word(command: Command) -> Word:
    """The state of a command as it is shown: what was said, and whether the effect was seen."""
    code = (command.error or {}).get("code", "")
    if command.effect:
        return EFFECT[command.effect]
    if command.status == CommandStatus.ACCEPTED and command.effect_until:
        return AWAITED if command.effect_until > clock.now() else EFFECT[Effect.NOT_SEEN]
    if command.status == CommandStatus.FAILED and code in FAILED_BY:
        return FAILED_BY[code]
    return COMMAND_STATE[command.status]


COMMAND: Mapping[str, Text] = {
    "request_start_transaction": _("Start charging"),
    "request_stop_transaction": _("Stop charging"),
    "unlock_connector": _("Unlock connector"),
    "reset": _("Restart"),
    "change_availability": _("Change availability"),
    "trigger_message": _("Ask for a message"),
    "get_variables": _("Read variables"),
    "set_variables": _("Set variables"),
    "get_base_report": _("Read all variables"),
    "set_charging_profile": _("Set a charging profile"),
    "clear_charging_profile": _("Clear charging profiles"),
    "get_charging_profiles": _("Read charging profiles"),
    "get_composite_schedule": _("Read the composite schedule"),
    "use_priority_charging": _("Priority charging"),
    "update_dynamic_schedule": _("Update a dynamic schedule"),
    "notify_allowed_energy_transfer": _("Allow energy transfers"),
    "afrr_signal": _("aFRR signal"),
    "update_firmware": _("Update firmware"),
    "publish_firmware": _("Publish firmware"),
    "unpublish_firmware": _("Withdraw published firmware"),
    "get_log": _("Request a log"),
    "certificate_signed": _("Hand over the certificate"),
    "install_certificate": _("Install a root certificate"),
    "delete_certificate": _("Delete a certificate"),
    "get_installed_certificates": _("Read installed certificates"),
    "renew_certificate": _("Renew the certificate"),
    "rotate_password": _("Give it a new password"),
    "get_report": _("Read chosen variables"),
    "clear_cache": _("Clear the authorization cache"),
    "set_variable_monitoring": _("Set monitors"),
    "clear_variable_monitoring": _("Clear monitors"),
    "get_monitoring_report": _("Read monitors"),
    "set_monitoring_base": _("Choose the set of monitors"),
    "set_monitoring_level": _("Choose the level of monitoring"),
    "customer_information": _("Data of a customer"),
    "adjust_periodic_event_stream": _("Adjust an event stream"),
    "get_periodic_event_stream": _("List event streams"),
    "set_network_profile": _("Write a network profile"),
    "set_display_message": _("Show a message"),
    "get_display_messages": _("Read messages on the display"),
    "clear_display_message": _("Clear a message"),
    "cost_updated": _("Tell the cost so far"),
    "data_transfer": _("Vendor message"),
    "set_default_tariff": _("Set the default tariff"),
    "change_transaction_tariff": _("Change the tariff of a session"),
    "get_tariffs": _("Read tariffs"),
    "clear_tariffs": _("Clear tariffs"),
    "notify_web_payment_started": _("Announce a payment on the web"),
    "send_local_list": _("Send the local list"),
    "get_local_list_version": _("Read the version of the local list"),
    "get_transaction_status": _("Ask how a session stands"),
    "reserve_now": _("Reserve"),
    "cancel_reservation": _("Cancel a reservation"),
    "set_der_control": _("Set a grid control"),
    "get_der_control": _("Read grid controls"),
    "clear_der_control": _("Clear grid controls"),
    "request_battery_swap": _("Hand out a battery"),
    "call": _("Raw call"),
}

MESSAGE: Mapping[str, Text] = {
    "boot_notification": _("Boot notification"),
    "status_notification": _("Status of the connectors"),
    "heartbeat": _("Heartbeat"),
    "meter_values": _("Meter values"),
    "transaction_event": _("State of the session"),
    "firmware_status_notification": _("Firmware status"),
    "log_status_notification": _("Status of a log upload"),
}

AUTHORIZATION: Mapping[str, Text] = {
    "accepted": _("Accepted"),
    "blocked": _("Blocked"),
    "expired": _("Expired"),
    "invalid": _("Not known"),
    "unknown": _("Not known"),
    "concurrent_tx": _("Charges elsewhere already"),
    "not_at_this_location": _("Not at this site"),
    "not_at_this_time": _("Not at this time"),
    "no_credit": _("Budget used up"),
}

ASKED: Mapping[str, Text] = {
    "authorize": _("Leave to charge"),
    "start": _("Start"),
    "stop": _("Stop"),
    "remote_start": _("Start from afar"),
}

AWAITED_EFFECT: Mapping[str, Text] = {
    "request_start_transaction": _("waiting for the session to begin"),
    "request_stop_transaction": _("waiting for the session to end"),
    "reset": _("waiting for the station to boot again"),
    "change_availability": _("waiting for the connector's status"),
    "trigger_message": _("waiting for the message"),
    "get_base_report": _("waiting for all parts of the report"),
    "renew_certificate": _("waiting for the station's request to sign"),
    "get_report": _("waiting for all parts of the report"),
    "get_monitoring_report": _("waiting for all parts of the report"),
    "customer_information": _("waiting for all parts of the report"),
    "set_variables": _("waiting for the value to be read back"),
    "set_charging_profile": _("waiting for the composite schedule"),
    "clear_charging_profile": _("waiting for the composite schedule"),
    "get_charging_profiles": _("waiting for all parts of the report"),
    "use_priority_charging": _("waiting for the station to tell of it"),
    "set_display_message": _("waiting for the message to be read back"),
    "get_display_messages": _("waiting for all parts of the report"),
    "send_local_list": _("waiting for the version to be read back"),
    "reserve_now": _("waiting for the connector's status"),
    "cancel_reservation": _("waiting for the connector's status"),
    "get_der_control": _("waiting for all parts of the report"),
    "request_battery_swap": _("waiting for the batteries"),
}

CHARGING_REASON: Mapping[str, Text] = {
    "others": _("limited by others"),
    "session": _("limit of this session"),
    "default": _("limit of the EVSE"),
    "station": _("limit of the whole station"),
    "reported": _("as the station says"),
}

PROFILE_PURPOSE: Mapping[str, Text] = {
    "charging_station_max_profile": _("Whole station"),
    "tx_default_profile": _("Default for sessions"),
    "tx_profile": _("One session"),
    "charging_station_external_constraints": _("Limit of others"),
    "priority_charging": _("Priority charging"),
    "local_generation": _("Local generation"),
}

JOB_STATE: Mapping[str, Word] = {
    JobStatus.SENT: Word(_("Asked"), icon="send", look="unavailable"),
    JobStatus.ACCEPTED: Word(_("Accepted"), icon="check", look="plugged_in"),
    JobStatus.SCHEDULED: Word(_("Planned"), icon="clock", look="reserved"),
    JobStatus.DOWNLOADING: Word(_("Downloading"), icon="download", look="charging"),
    JobStatus.DOWNLOADED: Word(_("Downloaded"), icon="file-check", look="charging"),
    JobStatus.INSTALLING: Word(_("Installing"), icon="cpu", look="charging"),
    JobStatus.REBOOTING: Word(_("Restarting"), icon="refresh", look="charging"),
    JobStatus.INSTALLED: Word(_("Installed"), icon="circle-check", look="available"),
    JobStatus.PUBLISHED: Word(_("Published"), icon="circle-check", look="available"),
    JobStatus.WITHDRAWN: Word(_("Withdrawn"), icon="circle-minus", look="unavailable"),
    JobStatus.UPLOADING: Word(_("Uploading"), icon="upload", look="charging"),
    JobStatus.UPLOADED: Word(_("Uploaded"), icon="circle-check", look="available"),
    JobStatus.NOTHING: Word(_("Nothing to send"), icon="circle-minus", look="unavailable"),
    JobStatus.FAILED: Word(_("Failed"), icon="alert-triangle", look="faulted"),
    JobStatus.REFUSED: Word(_("Refused"), icon="x", look="faulted"),
    JobStatus.REPLACED: Word(_("Replaced by a newer one"), icon="circle-minus", look="unavailable"),
}
UNCONFIRMED = Word(_("Installed, not confirmed"), icon="help", look="paused")

IMAGE_STATE: Mapping[str, Word] = {
    "fetching": Word(_("Being fetched"), icon="download", look="charging"),
    "ready": Word(_("Checked"), icon="file-check", look="available"),
    "failed": Word(_("Not fetched"), icon="alert-triangle", look="faulted"),
    "damaged": Word(_("File changed"), icon="alert-triangle", look="faulted"),
    "retired": Word(_("Retired"), icon="ban", look="unavailable"),
}

ROLLOUT_STATE: Mapping[str, Word] = {
    "draft": Word(_("Draft"), icon="file-text", look="unavailable"),
    "awaiting_approval": Word(_("Waits for approval"), icon="users", look="reserved"),
    "running": Word(_("Running"), icon="refresh", look="charging"),
    "paused": Word(_("Paused"), icon="clock", look="paused"),
    "paused_by_rule": Word(_("Stopped by rule"), icon="alert-triangle", look="faulted"),
    "done": Word(_("Done"), icon="circle-check", look="available"),
    "aborted": Word(_("Aborted"), icon="ban", look="unavailable"),
}
ROLLOUT_PROGRESS: Mapping[str, Word] = {
    "waiting": Word(_("Waiting"), icon="clock", look="unavailable"),
    "sent": Word(_("Told"), icon="send", look="charging"),
    "downloading": Word(_("Downloading"), icon="download", look="charging"),
    "downloaded": Word(_("Downloaded"), icon="file-check", look="charging"),
    "installing": Word(_("Installing"), icon="cpu", look="charging"),
    "rebooting": Word(_("Restarting"), icon="refresh", look="charging"),
    "installed": Word(_("Installed"), icon="circle-check", look="available"),
    "failed": Word(_("Failed"), icon="alert-triangle", look="faulted"),
    "unreachable": Word(_("Not reached"), icon="alert-triangle", look="faulted"),
    "skipped": Word(_("Left out"), icon="circle-minus", look="unavailable"),
    "cancelled": Word(_("Cancelled"), icon="ban", look="unavailable"),
}

WHAT_TO_TRY: Mapping[str, Text] = {
    "DownloadFailed": _("Can the station reach the address? Check name, port and password in it."),
    "InvalidSignature": _("The file was changed, or was signed with another certificate."),
    "InvalidChecksum": _("The file is not the one that the checksum was made of."),
    "InstallationFailed": _("Is the file made for this model? Restart the station and try once more."),
    "InstallVerificationFailed": _("Is the file made for this model? Ask the maker."),
    "PublishFailed": _("Look at the free space of the local controller and try again."),
    "UploadFailure": _("Can the station reach the address, and may it write there?"),
    "PermissionDenied": _("The server refused the upload: check user and password in the address."),
    "BadMessage": _("The station could not read the request; ask for another period."),
    "NotSupportedOperation": _("The station cannot upload by this kind of address; try https or ftp."),
    "InvalidCertificate": _("The signing certificate is not one that the maker of the station issued."),
    "RevokedCertificate": _("The maker has revoked the signing certificate; get the file anew."),
}

SIGNING_STATE: Mapping[str, Word] = {
    SigningStatus.RECEIVED: Word(_("Received"), icon="clock", look="plugged_in"),
    SigningStatus.WAITING: Word(_("Waits for a certificate"), icon="hourglass", look="paused"),
    SigningStatus.SIGNED: Word(_("Signed"), icon="certificate", look="plugged_in"),
    SigningStatus.SENT: Word(_("Sent"), icon="send", look="charging"),
    SigningStatus.ACCEPTED: Word(_("In use"), icon="circle-check", look="available"),
    SigningStatus.FAILED: Word(_("Failed"), icon="alert-triangle", look="faulted"),
    SigningStatus.REJECTED: Word(_("Rejected"), icon="x", look="faulted"),
    SigningStatus.REPLACED: Word(_("Replaced by a newer one"), icon="circle-minus", look="unavailable"),
}

CONTRACT_STATE: Mapping[str, Word] = {
    "received": Word(_("Received"), icon="clock", look="plugged_in"),
    "accepted": Word(_("Accepted"), icon="circle-check", look="available"),
    "failed": Word(_("Failed"), icon="alert-triangle", look="faulted"),
}
STANDING: Mapping[str, Word] = {
    "good": Word(_("Valid"), icon="circle-check", look="available"),
    "revoked": Word(_("Revoked"), icon="x", look="faulted"),
    "unknown": Word(_("Not known to the responder"), icon="help", look="unknown"),
    "failed": Word(_("Could not be asked"), icon="alert-triangle", look="paused"),
}

CERTIFICATE_USE: Mapping[str, Text] = {
    "": _("The station's own"),
    CertificateUse.CSMS_ROOT: _("Root of this portal"),
    CertificateUse.MANUFACTURER_ROOT: _("Root of the maker"),
    CertificateUse.V2G_ROOT: _("V2G root"),
    CertificateUse.MO_ROOT: _("Root of contracts"),
    CertificateUse.OEM_ROOT: _("Root of car makers"),
    CertificateUse.V2G_CHAIN: _("V2G certificate with its chain"),
    "charging_station_certificate": _("The station's own"),
    "v2g_certificate": _("V2G certificate (ISO 15118-2)"),
    "v2g20_certificate": _("V2G certificate (ISO 15118-20)"),
}

LOG_KIND: Mapping[str, Text] = {
    "diagnostics": _("Diagnostics log"),
    "security": _("Security log"),
    "data_collector": _("Log of the data collector"),
    "": _("Log that nobody asked for here"),
}

SECURITY_PROFILE: Mapping[int, Text] = {
    0: _("0 · no password: anybody may call itself this station"),
    1: _("1 · password without TLS: only for a trusted network"),
    2: _("2 · TLS and password"),
    3: _("3 · TLS and client certificate"),
}

SESSION_STATE: Mapping[str, Word] = {
    TransactionStatus.ACTIVE: Word(_("Charging"), icon="bolt", look="charging"),
    TransactionStatus.ENDED: Word(_("Ended"), icon="flag", look="unavailable"),
    TransactionStatus.ORPHANED: Word(_("Needs review"), icon="alert-triangle", look="paused"),
}

STOP_REASON: Mapping[str, Text] = {
    "Local": _("Stopped at the station"),
    "Remote": _("Stopped from the portal or by the API"),
    "EVDisconnected": _("The cable was unplugged"),
    "DeAuthorized": _("The token was refused"),
    "EmergencyStop": _("Emergency stop"),
    "EnergyLimitReached": _("Energy limit reached"),
    "HardReset": _("The station was restarted"),
    "SoftReset": _("The station was restarted"),
    "ImmediateReset": _("The station was restarted"),
    "Reboot": _("The station restarted by itself"),
    "PowerLoss": _("Power loss at the station"),
    "PowerQuality": _("Poor power quality"),
    "GroundFault": _("Ground fault"),
    "OvercurrentFault": _("Overcurrent"),
    "LocalOutOfCredit": _("Out of credit"),
    "MasterPass": _("Stopped with a master pass"),
    "SOCLimitReached": _("Charge level reached"),
    "StoppedByEV": _("Stopped by the car"),
    "TimeLimitReached": _("Time limit reached"),
    "Timeout": _("No car was plugged in in time"),
    "UnlockCommand": _("The connector was unlocked"),
    "Other": _("Other reason"),
}

FLAG: Mapping[str, Text] = {
    Flag.SUPERSEDED: _("A newer session began here before this one ended"),
    Flag.BEFORE_ACCEPTANCE: _("Began before the station was accepted"),
    Flag.METER_BACKWARDS: _("The meter went backwards"),
    Flag.METER_JUMP: _("The meter jumped"),
    Flag.CLOCK_IMPLAUSIBLE: _("The station's clock was implausible"),
    Flag.TIME_WITHOUT_ZONE: _("Times came without a zone"),
    Flag.NEGATIVE_DURATION: _("Ended before it began"),
    Flag.UNRELATED_STOP_TOKEN: _("Stopped by an unrelated token"),
    Flag.CONFLICTING_END: _("Two different ends were reported"),
    Flag.STOP_JOINED: _("The end was joined later"),
    Flag.AVAILABLE_DURING_SESSION: _("Connector reported available meanwhile"),
    Flag.MISSING_EVENTS: _("Messages are missing"),
    Flag.REPAIRED: _("Messages were repaired"),
    Flag.OFFLINE: _("Recorded while offline"),
    Flag.NOT_AUTHORIZED: _("Not authorized"),
    Flag.OTHER_LOCATION: _("No register of the outlet was reported"),
    Flag.NO_TARIFF: _("No tariff held at its start"),
}

REPORT_STATE: Mapping[str, Word] = {
    "asked": Word(_("Asked for"), icon="send", look="plugged_in"),
    "arriving": Word(_("Arriving"), icon="hourglass", look="charging"),
    "complete": Word(_("Complete"), icon="check", look="available"),
    "incomplete": Word(_("Incomplete"), icon="alert-triangle", look="paused"),
    "empty": Word(_("Nothing to report"), icon="circle-minus", look="unavailable"),
    "refused": Word(_("Refused"), icon="x", look="faulted"),
}

CHANGE_STATE: Mapping[str, Word] = {
    "draft": Word(_("To be sent"), icon="pencil", look="plugged_in"),
    "sent": Word(_("On its way"), icon="send", look="charging"),
    "refused": Word(_("Refused"), icon="x", look="faulted"),
}

MONITOR_SEVERITY: Mapping[int, Text] = {
    0: _("Danger"),
    1: _("Hardware failure"),
    2: _("System failure"),
    3: _("Critical"),
    4: _("Error"),
    5: _("Alert"),
    6: _("Warning"),
    7: _("Notice"),
    8: _("For information"),
    9: _("Debug"),
}
"""Of monitors and their events (OCPP 2.0.1 part 2, N07)."""
SEVERITY: Mapping[str, Word] = {
    "critical": Word(_("Critical"), icon="alert-triangle", look="faulted"),
    "warning": Word(_("Warning"), icon="alert-circle", look="paused"),
    "info": Word(_("Notice"), icon="info-circle", look="plugged_in"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the navigation; ``counts`` names the figure beside it."""

    name: str
    text: Text
    icon: str
    permission: Permission
    counts: str = ""


_P = Permission
NAVIGATION: tuple[tuple[Text, tuple[Entry, ...]], ...] = (
    (
        _("Operate"),
        (
            Entry("overview", _("Overview"), icon="layout-dashboard", permission=_P.STATIONS_VIEW),
            Entry(
                "stations",
                _("Stations"),
                icon="charging-pile",
                permission=_P.STATIONS_VIEW,
                counts="stations",
            ),
            Entry("sessions", _("Sessions"), icon="bolt", permission=_P.SESSIONS_VIEW, counts="sessions"),
            Entry("alerts", _("Alerts"), icon="bell", permission=_P.ALERTS_VIEW, counts="alerts"),
            Entry("sites", _("Sites"), icon="map-pin", permission=_P.STATIONS_VIEW),
            Entry("rollouts", _("Firmware"), icon="cpu", permission=_P.STATIONS_VIEW),
            Entry("quirks", _("Quirks"), icon="settings", permission=_P.STATIONS_EDIT),
        ),
    ),
    (
        _("Commerce"),
        (
            Entry("tariffs", _("Tariffs"), icon="file-text", permission=_P.STATIONS_VIEW),
            Entry("invoices", _("Invoices"), icon="receipt", permission=_P.INVOICES_MANAGE),
            Entry("payments", _("Payments"), icon="coins", permission=_P.INVOICES_MANAGE),
            Entry("drivers", _("Drivers"), icon="user-circle", permission=_P.DRIVERS_VIEW),
            Entry("tokens", _("Tokens"), icon="id-badge-2", permission=_P.DRIVERS_VIEW),
            Entry(
                "authorizations",
                _("Authorization log"),
                icon="list-search",
                permission=_P.DRIVERS_VIEW,
            ),
        ),
    ),
    (
        _("Admin"),
        (
            Entry("users", _("Users & roles"), icon="users", permission=_P.ORG_USERS),
            Entry("invoice_settings", _("Invoice details"), icon="file-text", permission=_P.ORG_SETTINGS),
            Entry("bank_settings", _("Bank account"), icon="building-bank", permission=_P.ORG_SETTINGS),
            Entry("dunning_settings", _("Reminders"), icon="mail", permission=_P.ORG_SETTINGS),
            Entry("provider_settings", _("Payment provider"), icon="credit-card", permission=_P.ORG_SETTINGS),
            Entry("meter_keys", _("Meter keys"), icon="certificate", permission=_P.ORG_SETTINGS),
            Entry("retention", _("Retention"), icon="clock", permission=_P.ORG_SETTINGS),
            Entry("developer", _("API keys"), icon="key", permission=_P.ORG_API),
            Entry("webhooks", _("Webhooks"), icon="send", permission=_P.ORG_API),
            Entry(
                "data_transfer_rules",
                _("Vendor rules"),
                icon="messages",
                permission=_P.COMMANDS_EXPERT,
            ),
            Entry("audit", _("Audit log"), icon="history", permission=_P.AUDIT_VIEW),
        ),
    ),
)
