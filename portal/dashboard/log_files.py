"""A log that a station uploaded: its beginning as text, and the whole of it to be saved."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from core.access import Permission
from portal import file_links
from portal.dashboard.entry import OperatorRequest, load, operator
from portal.dashboard.pages import render_page
from portal.dashboard.station import find, frame
from stations.models import LogFile
from stations.services import log_files


@require_safe
@operator(Permission.FIRMWARE_MANAGE)
def preview(request: OperatorRequest, pk: UUID, file_pk: UUID) -> HttpResponse:
    station = find(request, pk)
    file = log_files.reading(_file(request, pk, file_pk), by=request.actor)
    context = frame(request, station, "station_firmware")
    context.update(file=file, text=log_files.preview(file), most=log_files.PREVIEW_BYTES)
    return render_page(request, "dashboard/stations/log.html", context)


@require_safe
@operator(Permission.FIRMWARE_MANAGE)
def download(request: OperatorRequest, pk: UUID, file_pk: UUID) -> HttpResponse:
    """To the file on its own origin, where this person's session is not."""
    file = log_files.reading(_file(request, pk, file_pk), by=request.actor)
    return redirect(file_links.made(file.pk))


def _file(request: OperatorRequest, pk: UUID, file_pk: UUID) -> LogFile:
    rows = LogFile.objects.visible_to(request.actor).filter(station_id=pk).select_related("station")
    found: LogFile = load(rows, file_pk)
    return found
