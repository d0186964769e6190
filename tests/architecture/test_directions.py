"""The house keeps its directions: imports (import-linter) and foreign keys look down only."""

import subprocess
import sys
from pathlib import Path

from django.apps import apps

ROOT = Path(__file__).resolve().parent.parent.parent
ORDER = ["core", "tariffs", "drivers", "stations", "billing", "portal"]


def test_foreign_keys_point_down_only() -> None:
    upward = [
        f"{model._meta.label}.{field.name} -> {field.related_model._meta.label}"
        for model in apps.get_models()
        if model._meta.app_label in ORDER
        for field in model._meta.get_fields()
        if field.is_relation and field.concrete and field.related_model
        if field.related_model._meta.app_label in ORDER
        if ORDER.index(field.related_model._meta.app_label) > ORDER.index(model._meta.app_label)
    ]

    assert upward == []


def test_imports_look_down_only() -> None:
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout


def test_every_model_of_an_organization_can_be_limited_to_what_an_actor_sees() -> None:
    without = [
        model._meta.label
        for model in apps.get_models()
        if model._meta.app_label in ORDER
        and any(field.name == "organization" for field in model._meta.fields)
        and model._meta.label not in {"portal.IdempotentAnswer"}
        and not hasattr(model._default_manager.all(), "visible_to")
    ]

    assert without == []
