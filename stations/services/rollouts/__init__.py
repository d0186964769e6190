"""Firmware rollouts (security.md W-20, W-21): many UpdateFirmware commands, released in waves.

What is scarce: the station, which takes one update at a time, and the operator's sleep. Who locks what: the
engine and every decision lock the rollout's row first, then its stations in the order of their ids. A station's
reports lock none of these: the engine reads what they left (jobs, commands, boots) and judges anew, so that it
may be killed at any point and run again.
"""

from stations.services.rollouts.deciding import abort as abort
from stations.services.rollouts.deciding import approve as approve
from stations.services.rollouts.deciding import leave_out as leave_out
from stations.services.rollouts.deciding import pause as pause
from stations.services.rollouts.deciding import resume as resume
from stations.services.rollouts.deciding import retry as retry
from stations.services.rollouts.deciding import rollback as rollback
from stations.services.rollouts.deciding import start as start
from stations.services.rollouts.telling import counts as counts
from stations.services.rollouts.telling import counts_of as counts_of
from stations.services.rollouts.telling import wave_counts as wave_counts
