"""Firmware rollouts (issue of security.md W-20, W-21): many UpdateFirmware commands, released in waves.

What is scarce: the station, which takes one update at a time, and the operator's sleep. Who locks what: the
engine and every decision lock the rollout's row first, then its stations in the order of their ids. A station's
reports lock none of these: the engine reads what they left (jobs, commands, boots) and judges anew, so that it
may be killed at any point and run again.
"""
