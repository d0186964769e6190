"""Where a simulated station connects, what it is made of and how it behaves."""

import base64
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from portal.simulator.battery import EnergyMeter
from portal.simulator.outlet import Outlet, Phases

Version = Literal["1.6", "2.0.1", "2.1"]
AUTHORIZATION_KEY = re.compile(r"(?:[0-9a-fA-F]{2}){16,20}")
SUBPROTOCOLS: dict[str, str] = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}


def wire_password(password: str | bytes | None, version: str) -> bytes | None:
    """What a station sends: on 1.6 the bytes that an AuthorizationKey of 32 to 40 hex digits stands for (P015)."""
    if not isinstance(password, str):
        return password
    if version == "1.6" and AUTHORIZATION_KEY.fullmatch(password):
        return bytes.fromhex(password)
    return password.encode()


@dataclass(slots=True)
class Endpoint:
    """``url`` is the door without the identity. ``subprotocols`` None offers the station's version."""

    url: str
    identity: str
    password: bytes | None = None
    source_address: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    subprotocols: tuple[str, ...] | None = None

    @property
    def address(self) -> str:
        return f"{self.url.rstrip('/')}/{quote(self.identity, safe='')}"

    def all_headers(self) -> dict[str, str]:
        if self.password is None:
            return dict(self.headers)
        pair = self.identity.encode() + b":" + self.password
        return {**self.headers, "Authorization": "Basic " + base64.b64encode(pair).decode()}


@dataclass(slots=True)
class Habits:
    """Timers and customs of the firmware. Seconds are real seconds, except for ``sample_s``."""

    sample_s: int = 60
    heartbeats: bool = True
    call_timeout_s: float = 30.0
    attempts: int = 3
    retry_interval_s: float = 60.0
    reconnect_first_s: float = 1.0
    reconnect_longest_s: float = 60.0
    reboot_s: float = 2.0
    keep_online: bool = False
    charges_alone: bool = False
    status_by_event: bool | None = None
    starts_on_cable: bool = False
    tells_needs: bool = False
    keeps_local_list: bool = True
    report_part: int = 20
    seed: str = ""


@dataclass(frozen=True, slots=True)
class Hardware:
    """A model of station; ``watts`` is per outlet. Names are invented."""

    vendor: str = "Nordlicht"
    model: str = "Wallbox Duo 22"
    firmware: str = "4.2.1"
    kind: Literal["AC", "DC"] = "AC"
    watts: int = 22_000
    phases: Phases = 3
    outlets: int = 1

    def build(self, first_register_wh: int = 0) -> list[Outlet]:
        return [
            Outlet(
                number=number,
                kind=self.kind,
                rated_w=self.watts,
                phases=self.phases,
                meter=EnergyMeter.showing(first_register_wh + 7_919 * number),
            )
            for number in range(1, self.outlets + 1)
        ]


CATALOGUE = (
    Hardware(),
    Hardware(model="Wallbox 11", watts=11_000, firmware="4.1.0"),
    Hardware(vendor="Amperix", model="Street S22", outlets=2, firmware="2024.11"),
    Hardware(vendor="Voltaro", model="Rapid 60", kind="DC", watts=60_000, outlets=2, firmware="R3.08"),
    Hardware(vendor="Voltaro", model="Ultra 180", kind="DC", watts=180_000, outlets=2, firmware="R3.11"),
)
