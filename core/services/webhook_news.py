"""What becomes of webhooks, for the rooms above: sent in the transaction of its cause, to be stored with it."""

from django.dispatch import Signal

switched_off = Signal()
"""After failing for a day: ``webhook`` and the last ``failure``, a sentence."""

over = Signal()
"""Whatever was told of it is over: the ``webhook`` is paused, resumed or deleted."""
