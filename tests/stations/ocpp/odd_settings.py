"""Settings of a server whose handlers misbehave on request, with a short deadline for them."""

from portal.settings.test import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.stations.ocpp.oddities.Oddities"]  # noqa: F405
OCPP_HANDLER_DEADLINE = 2
OCPP_BOOT_DEADLINE = 2
