"""The suite's own: what runs beside it, and the benchmarks, go without django-zeal's patches."""

from portal.settings.test import *  # noqa: F403
from portal.settings.test import INSTALLED_APPS as APPS
from portal.settings.test import MIDDLEWARE as LAYERS

INSTALLED_APPS = [*APPS, "zeal"]
MIDDLEWARE = ["tests.watching.watch_reads", *LAYERS]
