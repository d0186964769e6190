"""What answers mean that 2.0.1 has not."""

from stations.domain.words import CommandStatus
from stations.ocpp.context import Json
from stations.ocpp.v201 import answers

CLEARED = frozenset({"Accepted", "NoTariff"})


def interpret(action: str, response: Json) -> str:
    """How the command ended. Where there is no tariff, reading has read that and clearing has nothing left to do."""
    if action == "ClearTariffs":
        results = response.get("clearTariffsResult", ())
        good = all(one.get("status") in CLEARED for one in results)
        return (CommandStatus.ACCEPTED if good else CommandStatus.REJECTED).value
    if action == "GetTariffs" and response.get("status") == "NoTariff":
        return CommandStatus.ACCEPTED.value
    return answers.interpret(action, response)
