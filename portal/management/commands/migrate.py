"""Django's migrate, which tells an empty database at once what the migrations would tell it one by one."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS
from django.db.migrations.migration import Migration

from portal import schema

TO_WHERE_THEY_ARE = (
    "app_label",
    "migration_name",
    "plan",
    "check_unapplied",
    "fake",
    "fake_initial",
    "prune",
)


class Command(migrate.Command):
    recorder: schema.Recorder | None = None

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--one-by-one", action="store_true", help="run each migration, on an empty database too"
        )
        parser.add_argument("--record", metavar="FILE", help="write down what they do to an empty database")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["record"]:
            with schema.recording() as self.recorder:
                super().handle(*args, **options)
            Path(options["record"]).write_text(self.recorder.text(), encoding="utf-8")
            return
        if not options["one_by_one"] and _is_whole(options) and (count := schema.load()):
            self._tell(count, options["verbosity"])
        super().handle(*args, **options)

    def migration_progress_callback(
        self, action: str, migration: Migration | None = None, fake: bool = False
    ) -> None:
        if self.recorder is not None and migration is not None:
            if action == "apply_start":
                self.recorder.begin(migration)
            elif action == "apply_success":
                self.recorder.end()
        super().migration_progress_callback(action, migration, fake)

    def _tell(self, count: int, verbosity: int) -> None:
        if verbosity:
            self.stdout.write(f"The database was empty: {count} migrations were applied as recorded.")


def _is_whole(options: dict[str, Any]) -> bool:
    return options["database"] == DEFAULT_DB_ALIAS and not any(options[name] for name in TO_WHERE_THEY_ARE)
