"""Renders deploy/helm with Helm itself: the program, or its engine as the Python package ``helm-python-sdk``."""

import importlib.util
import json
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.deploy.edges import DEPLOY

CHART = DEPLOY / "helm/chargeyard"
Manifest = dict[str, Any]
SECRETS = {"existingSecret": "of-the-portal", "existingOwnerSecret": "of-the-owner"}


class Refused(Exception):
    """Helm does not render the chart with these values; its reason."""


def render(values: Manifest) -> list[Manifest]:
    """Every manifest; skips the test, loudly, where no Helm is found."""
    if program := shutil.which("helm"):
        text = _by_program(program, values)
    elif importlib.util.find_spec("helm_python"):
        text = _by_package(values)
    else:
        pytest.skip("NO HELM FOUND, the chart is not rendered: install helm, or the package helm-python-sdk")
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def _by_program(program: str, values: Manifest) -> str:
    words = [program, "template", "cy", str(CHART), "--namespace", "prod", "--values", "-"]
    done = subprocess.run(
        words, input=json.dumps(values), capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def _by_package(values: Manifest) -> str:
    import helm_python

    try:
        with helm_python.Chart.load(str(CHART)) as chart:
            chart.validate_schema(values)
            rendered = chart.render(values, name="cy", namespace="prod")
    except helm_python.HelmError as error:
        raise Refused(str(error)) from error
    return "\n---\n".join(text for path, text in rendered.items() if path.endswith(".yaml"))
