"""What `up`, or a deployment's own job, does before anything serves: schema, static files, first administrator."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db.transaction import atomic

from core import keys
from core.access import Role, system
from core.models import Organization, User
from core.services import accounts, data_keys

FIRST_EMAIL = "admin@localhost"
FIRST_ORGANIZATION = ("home", "My charging network")


class Command(BaseCommand):
    help = "Bring the schema up to date, collect static files, make the first administrator (all once)."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--without-administrator",
            action="store_true",
            help="make nobody and print nothing, for a job whose output is kept (see create_admin)",
        )

    def handle(self, *_: Any, without_administrator: bool, **__: Any) -> None:
        """Prints the login as JSON; the password is in it only when it was just made."""
        keys.newest_id()  # raises where DATA_KEYS cannot be read
        call_command("migrate", verbosity=0, interactive=False)
        data_keys.settle(by=system("up"))
        if not static_files_are_fresh():
            call_command("collectstatic", verbosity=0, interactive=False)
        if not without_administrator:
            self.stdout.write(json.dumps(first_administrator()))


def first_administrator() -> dict[str, str]:
    """Administrator of the platform and of the first organization, made where there is none."""
    admin = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if admin:
        return {"email": admin.email}
    by = system("up")
    with atomic():
        user, password = accounts.create_admin(FIRST_EMAIL, by=by)
        slug, name = FIRST_ORGANIZATION
        organization = Organization.objects.order_by("pk").first()
        organization = organization or accounts.create_organization(slug, name=name, by=by)
        accounts.give_role(user.email, organization, Role.ADMIN, by=by)
    return {"email": user.email, **({"password": password} if password else {})}


def static_files_are_fresh() -> bool:
    """Whether what is served was collected after the last change of any source."""
    if not isinstance(staticfiles_storage, ManifestFilesMixin):
        return True
    manifest = Path(settings.STATIC_ROOT) / staticfiles_storage.manifest_name
    if not manifest.exists():
        return False
    sources = (storage.path(path) for finder in get_finders() for path, storage in finder.list([]))
    return max((Path(source).stat().st_mtime for source in sources), default=0) <= manifest.stat().st_mtime
