"""Simulated charging stations: OCPP 1.6, 2.0.1 and 2.1 over real WebSockets, any number in one process.

The engine is plain asyncio and knows no Django. Protocol timers (time-outs, retries, heartbeats,
back-off) run in real time; the physical world (charging, samples, timestamps) in simulated time.
"""

from portal.simulator.battery import Vehicle
from portal.simulator.clock import FlowingClock, SteppedClock
from portal.simulator.journal import Journal
from portal.simulator.misbehaviour import Misbehaviour
from portal.simulator.outlet import Outlet, OutletState, StopReason, Transaction
from portal.simulator.settings import Endpoint, Habits, Hardware
from portal.simulator.station import SimulatedStation
from portal.simulator.transport import (
    AnswerTimeout,
    CallRefused,
    HandshakeRefused,
    LinkLost,
    SimulatorError,
    Unreachable,
)

__all__ = [
    "AnswerTimeout",
    "CallRefused",
    "Endpoint",
    "FlowingClock",
    "Habits",
    "HandshakeRefused",
    "Hardware",
    "Journal",
    "LinkLost",
    "Misbehaviour",
    "Outlet",
    "OutletState",
    "SimulatedStation",
    "SimulatorError",
    "SteppedClock",
    "StopReason",
    "Transaction",
    "Unreachable",
    "Vehicle",
]
