"""Where firmware and logs are kept: on this machine's disk, or in a bucket where one is named."""

import json
import os
import subprocess
import sys

from tests.running import ROOT

LOOK = """
import json
from django.core.files.storage import storages
place = storages["files"]
names = ("bucket_name", "endpoint_url", "region_name", "access_key", "location", "default_acl", "file_overwrite")
print(json.dumps([type(place).__module__, {name: getattr(place, name, None) for name in names}]))
"""


def storage(**settings: str) -> tuple[str, dict[str, object]]:
    """Module of the storage's class, and how it is set up; nothing is called over the network."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings.test", **settings}
    words = [sys.executable, "-c", "import django; django.setup()" + LOOK]
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    module, known = json.loads(done.stdout.splitlines()[-1])
    return module, known


def test_a_bucket_that_is_named_keeps_the_files() -> None:
    module, known = storage(
        FILES_S3_BUCKET="yard",
        FILES_S3_ENDPOINT="https://s3.example.org",
        FILES_S3_REGION="eu-central-1",
        FILES_S3_KEY_ID="key",
        FILES_S3_SECRET="secret",
        FILES_S3_PREFIX="cy",
    )

    assert module == "storages.backends.s3"
    assert str(known.pop("location")).split("/")[0] == "cy"
    assert known == {
        "bucket_name": "yard",
        "endpoint_url": "https://s3.example.org",
        "region_name": "eu-central-1",
        "access_key": "key",
        "default_acl": None,
        "file_overwrite": False,
    }


def test_without_a_bucket_they_are_on_the_disk() -> None:
    module, known = storage(FILES_S3_BUCKET="")

    assert module == "django.core.files.storage.filesystem"
    assert known["bucket_name"] is None
