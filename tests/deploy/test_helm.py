"""The chart of deploy/helm: its text alone, what Helm makes of it, and what nginx says of the edge in it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
import yaml

from tests.deploy import edges
from tests.deploy.charts import CHART, SECRETS, Manifest, Refused, render
from tests.deploy.papers import Papers
from tests.deploy.starting import check_command, drain_s, unknown_settings

TEMPLATES = {path.name: path.read_text() for path in sorted((CHART / "templates").iterdir())}
ALL = "\n".join(TEMPLATES.values())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = jsonschema_rs.validator_for(orjson.loads((CHART / "values.schema.json").read_bytes()))
INGRESS = {"enabled": True, "controllerNetworks": ["10.244.0.0/16"], "tlsSecret": "portal"}
EVERYTHING = {
    **SECRETS,
    "hosts": {"portal": "charge.example.net", "ocpp": "ws.example.net"},
    "pooledSecret": "of-the-pooler",
    "edge": {"clientCaSecret": "chargers-ca"},
    "ingress": INGRESS,
    "ftp": {"enabled": True, "address": "192.0.2.7", "tlsSecret": "of-ftp"},
    "networkPolicy": {"metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
    "imagePullSecrets": [{"name": "pull"}],
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"operator": "Exists"}],
}


# -- the text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_block_of_a_template_is_closed(name: str) -> None:
    text = TEMPLATES[name]
    words = re.findall(r"\{\{-?\s*(\w+)", text)

    assert "{{" not in re.sub(r"\{\{.*?\}\}", "", text, flags=re.DOTALL)
    assert sum(word in {"if", "range", "with", "define"} for word in words) == words.count("end")


def test_every_template_that_is_included_is_defined_and_the_other_way_round() -> None:
    included = set(re.findall(r'include "([\w.]+)"', ALL))

    assert included == set(re.findall(r'define "([\w.]+)"', ALL))


def merged(values: Manifest, changes: Manifest) -> Manifest:
    """The values as Helm would have them."""
    both = dict(values)
    for name, change in changes.items():
        own = values.get(name)
        both[name] = merged(own, change) if isinstance(own, dict) and isinstance(change, dict) else change
    return both


def leaves(values: Any, path: str = "") -> Iterator[str]:
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from leaves(value, f"{path}.{name}")
    else:
        yield path.removeprefix(".")


def test_every_value_that_is_read_exists_and_every_one_that_exists_is_read() -> None:
    read = {path.rstrip(".") for path in re.findall(r"\.Values\.([\w.]+)", ALL)}
    read |= {f"{part}.{rest}" for part in ("gateway", "web") for rest in re.findall(r"\$own\.(\w+)", ALL)}
    known = set(leaves(VALUES))
    branches = {".".join(path.split(".")[:length]) for path in known for length in range(1, 9)}

    assert {path for path in read if path not in branches} == set()
    assert {path for path in known if not any(f"{path}.".startswith(f"{one}.") for one in read)} == set()


def test_the_values_fit_their_schema_which_lets_no_secret_and_no_unknown_value_pass() -> None:
    assert [error.message for error in SCHEMA.iter_errors(VALUES)] == []
    assert SCHEMA.is_valid(merged(VALUES, EVERYTHING))
    for wrong in (
        {"gatway": {}},
        {"settings": {"SECRET_KEY": "x"}},
        {"settings": {"DEBUG": "1"}},
        {"gateway": {"replicas": 0}},
        {"hosts": {"portal": "https://portal.example.org"}},
    ):
        assert not SCHEMA.is_valid(merged(VALUES, wrong)), wrong


def test_every_file_that_is_taken_along_exists_and_holds_what_is_replaced_in_it() -> None:
    taken = re.findall(r'\.Files\.Get "([^"]+)"((?: \| replace "[^"]+" \S+)*)', TEMPLATES["edge-files.yaml"])
    assert len(taken) == 5

    for path, changes in taken:
        text = (CHART / path).read_text()
        for old in re.findall(r'replace "([^"]+)"', changes):
            assert old in text, f"{path}: {old}"
    assert (CHART / "files/nginx").resolve() == edges.DEPLOY / "nginx"


def test_every_container_starts_what_there_is() -> None:
    commands = re.findall(r"command: \[(python, .+)\]$", ALL, re.MULTILINE)
    assert len(commands) == 6

    for command in commands:
        words = [word.strip().strip('"') for word in command.split(", ")]
        check_command([re.sub(r"\{\{.*?\}\}", "2", word) for word in words[1:]])


def test_every_variable_that_is_set_is_one_that_the_portal_reads() -> None:
    names = set(re.findall(r"- name: ([A-Z0-9_]+)", ALL))
    names |= {
        name for line in re.findall(r':= list ("[A-Z].*?) }}', ALL) for name in re.findall(r"\w+", line)
    }
    names |= set(VALUES["settings"])

    assert len(names) > 12
    assert unknown_settings(names - {"POD_NAME", "POD_IP"}) == set()


# -- what Helm makes of it -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[SECRETS, EVERYTHING], ids=["least", "everything"])
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(request.param)


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] == kind}


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    found = of_kind(manifests, "Deployment") | of_kind(manifests, "Job")
    return {name: one["spec"]["template"] for name, one in found.items()}


def test_gateways_and_web_are_deployed_apart_and_the_timetable_once(manifests: list[Manifest]) -> None:
    deployed = of_kind(manifests, "Deployment")

    assert set(deployed) - {"cy-ftp"} == {"cy-gateway", "cy-web", "cy-worker", "cy-beat", "cy-edge"}
    assert (deployed["cy-beat"]["spec"]["replicas"], deployed["cy-beat"]["spec"]["strategy"]) == (
        1,
        {"type": "Recreate"},
    )
    assert set(of_kind(manifests, "PodDisruptionBudget")) == {"cy-gateway", "cy-web", "cy-edge"}
    for name in ("cy-gateway", "cy-web"):
        assert pods(manifests)[name]["spec"]["terminationGracePeriodSeconds"] > drain_s()
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(
            pods(manifests)[name]["spec"]["containers"][0]
        )


def test_w33_every_pod_is_confined(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests).items():
        spec = pod["spec"]
        [container] = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert container["resources"]["limits"]["memory"], name


def test_secrets_are_named_and_never_rendered_and_the_owners_is_the_jobs_alone(
    manifests: list[Manifest],
) -> None:
    assert of_kind(manifests, "Secret") == {}
    for name, pod in pods(manifests).items():
        given = {one["name"]: one for one in pod["spec"]["containers"][0]["env"]}
        plain = {key for key, one in given.items() if "value" in one}
        assert not plain & {
            "SECRET_KEY",
            "DATA_KEYS",
            "DATABASE_URL",
            "VALKEY_URL",
            "OCPP_TRUSTED_PROXY_SECRET",
        }
        assert ("DATABASE_OWNER_URL" in given) == (name == "cy-setup")


def test_every_selector_finds_its_pods_and_every_service_a_port(manifests: list[Manifest]) -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(manifests).items()}

    def chosen(selector: dict[str, str]) -> set[str]:
        return {name for name, own in labels.items() if selector.items() <= own.items()}

    for name, one in of_kind(manifests, "Deployment").items():
        assert chosen(one["spec"]["selector"]["matchLabels"]) == {name}
    for name, service in of_kind(manifests, "Service").items():
        [target] = chosen(service["spec"]["selector"])
        ports = {port["name"] for port in pods(manifests)[target]["spec"]["containers"][0]["ports"]}
        wanted = {port["targetPort"] for port in service["spec"]["ports"]}
        assert {port for port in wanted if isinstance(port, str)} <= ports, name
        assert name == "cy-ftp" or wanted <= ports


def test_gateways_and_web_are_reached_through_the_edge_alone(manifests: list[Manifest]) -> None:
    policies = of_kind(manifests, "NetworkPolicy")
    [rule] = policies["cy-serving"]["spec"]["ingress"]

    parts = {one["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for one in rule["from"][:1]}
    assert parts == {"edge"}
    assert policies["cy-background"]["spec"]["ingress"] == []
    for rule in policies["cy-edge"]["spec"]["ingress"]:
        assert "pages" not in {port["port"] for port in rule["ports"]} or rule["from"]


def test_chargers_reach_ftp_by_the_ports_that_its_process_names(manifests: list[Manifest]) -> None:
    if "cy-ftp" not in of_kind(manifests, "Deployment"):
        assert "FTP_PORT" not in str(manifests)
        return
    given = {
        one["name"]: one.get("value") for one in pods(manifests)["cy-ftp"]["spec"]["containers"][0]["env"]
    }
    opened = {one["port"] for one in of_kind(manifests, "Service")["cy-ftp"]["spec"]["ports"]}
    [rule] = of_kind(manifests, "NetworkPolicy")["cy-ftp"]["spec"]["ingress"]

    assert (given["FTP_PORT"], given["FTP_PASSIVE_PORTS"]) == ("2121", "50000-50019")
    assert opened == {2121, *range(50000, 50020)}
    assert rule["ports"][1] == {"protocol": "TCP", "port": 50000, "endPort": 50019}
    assert of_kind(manifests, "Deployment")["cy-ftp"]["spec"]["replicas"] == 1


def test_the_schema_is_changed_before_anything_is_replaced(manifests: list[Manifest]) -> None:
    [job] = of_kind(manifests, "Job").values()

    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_what_cannot_work_is_refused_with_the_reason() -> None:
    with pytest.raises(Refused, match="existingSecret"):
        render({})
    with pytest.raises(Refused, match="controllerNetworks"):
        render({**SECRETS, "ingress": {"enabled": True}})
    with pytest.raises(Refused, match=r"ftp\.address"):
        render({**SECRETS, "ftp": {"enabled": True}})
    with pytest.raises(Refused, match="gatway"):
        render({**SECRETS, "gatway": {}})


def test_nginx_takes_the_edges_files(manifests: list[Manifest], papers: Papers, tmp_path: Path) -> None:
    files = of_kind(manifests, "ConfigMap")["cy-edge"]["data"]
    (tmp_path / "chargeyard").mkdir()
    (tmp_path / "chargeyard/tls").symlink_to(papers.directory)
    (tmp_path / "edge-secret.conf").write_text('proxy_set_header X-Edge-Auth "x";\n')
    for name, text in files.items():
        place = tmp_path if name in {"nginx.conf", "chargeyard.conf"} else tmp_path / "chargeyard"
        text = text.replace(" /tmp/", f" {tmp_path}/").replace("/run/", f"{tmp_path}/")
        text = re.sub(r"cy-(gateway|web):8000", "127.0.0.1:8000", text)
        (place / name).write_text(text.replace("worker_rlimit_nofile 65536;", ""))

    words = [edges.find_nginx(), "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    assert "test is successful" in edges.run_to_end(words)
    named = set(re.findall(r"^ *server_name ([^;]+);", files["chargeyard.conf"], re.MULTILINE)) - {"_"}
    assert named in (set(VALUES["hosts"].values()), set(EVERYTHING["hosts"].values()))  # type: ignore[attr-defined]
    listens = set(re.findall(r"listen \[?:*\]?:?(\d+)", files["chargeyard.conf"]))
    assert listens in ({"8443", "8080"}, {"8443", "8080", "8081"})
