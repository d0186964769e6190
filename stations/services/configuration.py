"""Configuration keys of 1.6 stations, which are kept as variables without a component."""

from uuid import UUID

from stations.models import Variable

USUAL = 50
MAX_KEYS = "GetConfigurationMaxKeys"


def keys_per_message(station_id: UUID) -> int:
    """How many keys the station takes in one GetConfiguration, as far as it told."""
    value = value_of(station_id, MAX_KEYS)
    return max(1, int(value)) if value.isascii() and value.isdigit() else USUAL


def value_of(station_id: UUID, key: str) -> str:
    """The value of a configuration key as last told; empty where it was not."""
    told = Variable.objects.filter(station_id=station_id, component="", variable__iexact=key)
    return told.values_list("value", flat=True).first() or ""
