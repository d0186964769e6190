"""The Celery application: background work and its timetable."""

import ctypes
import os
import signal
import sys

from celery import Celery
from celery.signals import worker_process_init

from portal import runtime

os.environ.setdefault("DJANGO_SETTINGS_MODULE", runtime.settings_module())

app = Celery("chargeyard", task_cls="portal.lengthy:Fair")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.set_default()


@app.on_after_configure.connect
def plan(sender: Celery, **_: object) -> None:
    """What runs regularly (`portal/schedule.py`)."""
    from portal.schedule import TIMETABLE

    sender.conf.beat_schedule = TIMETABLE


@worker_process_init.connect
def end_with_worker(**_: object) -> None:
    """A process of the pool must not outlive a killed worker: its task is given to another one."""
    if sys.platform.startswith("linux"):
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, int(signal.SIGKILL))
