"""The suite's own: what runs beside it, and the benchmarks, go without django-zeal's patches."""

from portal.settings.test import *  # noqa: F403
from portal.settings.test import INSTALLED_APPS as APPS

# Only patches the lazy loading of Django; who turns it on (tests/portal/test_list_queries.py) makes N+1 raise.
INSTALLED_APPS = [*APPS, "zeal"]
