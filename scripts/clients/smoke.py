"""The generated Python client against a running portal, whose address and key are in the environment."""

import os
import sys
import uuid
from datetime import UTC, datetime, timedelta

from chargeyard.api.scheduled_commands import cancel_scheduled_command
from chargeyard.api.sites import create_site, get_site
from chargeyard.api.stations import list_stations, send_command
from chargeyard.client import AuthenticatedClient
from chargeyard.models import (
    Problem,
    ScheduledView,
    SiteBodyRequest,
    TriggerMessageBodyRequest,
)

client = AuthenticatedClient(os.environ["PORTAL"], os.environ["KEY"])

stations = list_stations.sync(client=client, connected=True, limit=5)
assert stations is not None
assert stations.results, "no charger is connected"
station = stations.results[0]

name = f"Yard {uuid.uuid4().hex[:6]}"
site = create_site.sync(client=client, body=SiteBodyRequest(name=name, time_zone="Europe/Berlin"))
assert site is not None
assert site.name == name

missing = get_site.sync_detailed(uuid.uuid4(), client=client)
assert missing.status_code == 404
assert isinstance(missing.parsed, Problem), missing.parsed
assert missing.parsed.request_id

beat = TriggerMessageBodyRequest.from_dict({"command": "trigger_message", "message": "heartbeat"})
said = send_command.sync_detailed(station.id, client=client, body=beat, prefer="wait=20")
assert said.status_code == 200, said.content
assert said.parsed.status == "accepted", said.content

beat.run_at = datetime.now(UTC) + timedelta(hours=1)
planned = send_command.sync_detailed(station.id, client=client, body=beat)
assert planned.status_code == 202, planned.content
assert isinstance(planned.parsed, ScheduledView), planned.parsed
taken_back = cancel_scheduled_command.sync(planned.parsed.id, client=client)
assert taken_back.status == "cancelled"

sys.stdout.write(
    f"python: {station.identity}, site {site.name}, {said.parsed.status}, planned and cancelled\n"
)
