"""Whether the keys of ``DATA_KEYS`` are those that this database was written with (security.md K-05).

The first use of each key is noted in the audit with a fingerprint: a keyed hash of nothing, from which the key
cannot be told. A key that was lost and made anew under its old id is noticed by it.
"""

from django.core.exceptions import ImproperlyConfigured

from core import keys
from core.access import Actor
from core.models import AuditEntry

FIRST_USED = "data_key.first_used"
NOTED_AS = "data_key"
PURPOSE = "fingerprint"


def settle(*, by: Actor) -> None:
    """Note the keys that are new here. Raises ``ImproperlyConfigured`` for one that is another than before."""
    if wrong := misfits():
        raise ImproperlyConfigured(wrong[0])
    noted = _noted()
    for key_id in keys.ids():
        if key_id not in noted:
            AuditEntry(
                actor=by.label,
                action=FIRST_USED,
                object_type=NOTED_AS,
                object_id=key_id,
                object_label=key_id,
                changes={PURPOSE: [None, _fingerprint(key_id)]},
            ).save(force_insert=True)


def misfits() -> list[str]:
    """One text for each key that is not the one which this database knows by that id."""
    noted = _noted()
    return [
        f"DATA_KEYS: the key {key_id!r} is not the one that this database knows by that id. "
        "Restore the right one from its backup (secrets.env); a new key needs a new id."
        for key_id in keys.ids()
        if noted.get(key_id, _fingerprint(key_id)) != _fingerprint(key_id)
    ]


def missing() -> list[str]:
    """Ids of keys that were in use and are not given now."""
    return [key_id for key_id in _noted() if not keys.knows(key_id)]


def _noted() -> dict[str, str]:
    """The fingerprint that was first noted for each id."""
    rows = AuditEntry.objects.filter(object_type=NOTED_AS, action=FIRST_USED).order_by("-id")
    return {key_id: changes[PURPOSE][1] for key_id, changes in rows.values_list("object_id", "changes")}


def _fingerprint(key_id: str) -> str:
    return keys.keyed_hash(key_id, PURPOSE).hex()
