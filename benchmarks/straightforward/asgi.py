"""The ASGI application of the yardstick, for stock Daphne."""

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.straightforward.settings"
django.setup()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  after Django is set up
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import re_path  # noqa: E402

from benchmarks.straightforward.consumer import Consumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([re_path(r"^ocpp/[^/]+$", Consumer.as_asgi())]),
    }
)
