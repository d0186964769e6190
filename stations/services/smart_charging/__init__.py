"""Limits and schedules of charging: what is sent, what is there, what cars ask for (2.0.1 block K)."""
