"""Makes the yardstick's tables and its charge points: identities and passwords come by standard input."""

import os
import sys

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.straightforward.settings"
django.setup()

from django.db import connection  # noqa: E402  after Django is set up

from benchmarks.straightforward.models import ChargePointRow, Frame, MeterValue  # noqa: E402


def main() -> None:
    with connection.schema_editor() as editor:
        for model in (ChargePointRow, MeterValue, Frame):
            editor.create_model(model)
    for line in sys.stdin:
        identity, password = line.split()
        ChargePointRow.objects.create(identity=identity, password=ChargePointRow.hashed(password))


main()
