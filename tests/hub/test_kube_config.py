"""The settings that zero-to-jupyterhub is given, loaded as its hub loads them."""

from __future__ import annotations

import copy
import os
import socket
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from fake_cluster import a_spawner, pod_of
from jupyterhub.app import JupyterHub
from traitlets import TraitError
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from dllab_hub.manifests.cluster import Cluster

ROOT = Path(__file__).parents[2]
HELM = ROOT / "config" / "helm"
SCHEMA = os.environ.get("DLLAB_CHART_SCHEMA")
CHART = {"app.kubernetes.io/name": "jupyterhub"}


def merged(below: Any, above: Any) -> Any:
    """As Helm lays one file of values over another."""
    if isinstance(below, dict) and isinstance(above, dict):
        keys = {**below, **above}
        return {key: merged(below.get(key), above.get(key, below.get(key))) for key in keys}
    return above


VALUES = yaml.safe_load((HELM / "values.yaml").read_text())
BOX = merged(VALUES, yaml.safe_load((HELM / "one-box.yaml").read_text()))


def load(folder: Path, changes: str = "", values: dict[str, Any] = VALUES) -> Config:
    """As the chart: hub.config first, then hub.extraConfig, which loads our file."""
    ours = ROOT / "config" / "jupyterhub" / "kubernetes.py"
    lines = [
        "def get_config(key, default=None): ...  # The chart's own, by JupyterHub's name.",
        f"for name, values in {values['hub']['config']!r}.items():",
        "    c[name].update(values)",
        # What the chart sets itself.
        "c.JupyterHub.services = [{'name': 'theirs'}]",
        "c.JupyterHub.load_roles = [{'name': 'theirs'}]",
        "c.KubeSpawner.cmd = 'jupyterhub-singleuser'",
        changes,
        f"import pathlib; exec(pathlib.Path({str(ours)!r}).read_text())",
    ]
    (folder / "jupyterhub_config.py").write_text("c = get_config()\n" + "\n".join(lines))
    loaded = PyFileConfigLoader("jupyterhub_config.py", path=str(folder)).load_config()
    assert isinstance(loaded, Config)
    return loaded


async def test_the_values_make_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's catalog is right, the hub takes the settings, and a lab of it is a pod."""
    config = load(tmp_path)
    hub = JupyterHub(config=config)
    sections: dict[str, Any] = {
        name: dict(config[name]) for name in VALUES["hub"]["config"] if name.startswith("Lab")
    }
    spawner = a_spawner(monkeypatch, groups=("vision",), **sections)
    pod = await pod_of(spawner, {"gpus": 1, "gpu_type": "a100", "volumes": ["team", "imagenet"]})

    assert "LabKubeSpawner" == hub.spawner_class.__name__
    assert "LabProxy" == hub.proxy_class.__name__
    assert ["theirs", "dllab", "idle-culler"] == [service["name"] for service in hub.services]
    assert "theirs" == hub.load_roles[0]["name"]
    (lab,) = pod["spec"]["containers"]
    assert "registry.example.org/dllab/pytorch:2.13.0" == lab["image"]
    assert {"name": "DLLAB_API_URL", "value": "http://proxy-public/services/dllab/dllab/api/"} in (
        lab["env"]
    )
    assert 600 == spawner.start_timeout
    assert 240 == spawner.get_state()["idle"]


def test_the_proxy_reaches_the_lab_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address is the pod's own, at the port that the network policies of the values let in."""
    (service,) = (s for s in load(tmp_path).JupyterHub.services if s["name"] == "dllab")
    host, port = service["url"].removeprefix("http://").rsplit(":", 1)

    found = socket.getaddrinfo(socket.gethostname(), None)
    assert host.strip("[]") in {str(address[4][0]) for address in found}
    (comes,) = VALUES["hub"]["networkPolicy"]["ingress"]
    (goes,) = VALUES["proxy"]["chp"]["networkPolicy"]["egress"]
    assert [{"port": int(port)}] == comes["ports"] == goes["ports"]
    ((comes_from,), (goes_to,)) = comes["from"], goes["to"]
    component = "app.kubernetes.io/component"
    assert {**CHART, component: "proxy"} == comes_from["podSelector"]["matchLabels"]
    assert {**CHART, component: "hub"} == goes_to["podSelector"]["matchLabels"]

    six = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fd00::5", 8082, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: six)
    (service,) = (s for s in load(tmp_path).JupyterHub.services if s["name"] == "dllab")
    assert "http://[fd00::5]:8082" == service["url"]


def test_what_the_lab_service_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the API server is, where things lie, and the catalog; it finds the hub in its pod."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.delenv("DLLAB_SHARED", raising=False)
    monkeypatch.delenv("DLLAB_HOME", raising=False)
    config = load(tmp_path, "c.JupyterHub.base_url = '/lab/'")
    told = {
        service["name"]: service.get("environment", {}) for service in config.JupyterHub.services
    }

    assert "cluster" == told["dllab"]["DLLAB_TARGET"]
    assert "/srv/jupyterhub/dllab" == told["dllab"]["DLLAB_HOME"]
    (mount,) = VALUES["hub"]["extraVolumeMounts"]
    assert mount["mountPath"] == told["dllab"]["DLLAB_SHARED"]
    assert "10.96.0.1" == told["dllab"]["KUBERNETES_SERVICE_HOST"]
    assert "443" == told["dllab"]["KUBERNETES_SERVICE_PORT"]
    assert any("imagenet" in value for value in told["dllab"].values())
    for name in ("dllab", "idle-culler"):
        assert "http://127.0.0.1:8081/lab/hub/api" == told[name]["JUPYTERHUB_API_URL"]
    assert "http://proxy-public/lab/services/dllab/dllab/api/" == config.LabKubeSpawner.service_url


def test_labs_may_use_the_lab_service(tmp_path: Path) -> None:
    """People and their labs come in; it may restart labs and no more."""
    roles = {role["name"]: role for role in load(tmp_path).JupyterHub.load_roles}

    for name in ("user", "server"):
        assert "access:services!service=dllab" in roles[name]["scopes"]
    assert {"name": "dllab", "services": ["dllab"], "scopes": ["servers"]} == roles["dllab"]


def test_an_address_of_their_own(tmp_path: Path) -> None:
    """What the values say of the lab service's address holds."""
    elsewhere = "https://lab.example.org/services/dllab/dllab/api/"
    config = load(tmp_path, f"c.LabKubeSpawner.service_url = {elsewhere!r}")

    assert elsewhere == config.LabKubeSpawner.service_url


def test_a_mistake_stops_the_hub(tmp_path: Path) -> None:
    """One sentence names the entry and the field."""
    with pytest.raises(TraitError, match=r"volumes\.team\.path: is nothing that a cluster has"):
        load(tmp_path, "c.LabCatalog.volumes[0] = {'name': 'team', 'title': 'T', 'path': '/srv'}")


async def test_one_box_makes_a_hub_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Laid over the values as Helm does, it is a catalog without GPUs and foreign claims."""
    config = load(tmp_path, values=copy.deepcopy(BOX))
    spawner = a_spawner(monkeypatch, LabCatalog=dict(config.LabCatalog))
    pod = await pod_of(spawner, {"cpus": 2, "memory": "4G"})

    (lab,) = pod["spec"]["containers"]
    assert "dllab-hub/base:1.0" == lab["image"]
    assert "dllab-shared" == config.LabCatalog.cluster["claim"]
    assert "dllab-jobs" == config.LabCatalog.cluster["namespace"]
    assert "Never" == Cluster(**config.LabCatalog.cluster).pull_policy


@pytest.mark.skipif(not SCHEMA, reason="DLLAB_CHART_SCHEMA names no values.schema.yaml")
@pytest.mark.parametrize("values", [VALUES, BOX], ids=["cluster", "one box"])
def test_the_chart_knows_these_values(values: dict[str, Any]) -> None:
    """The chart's own schema has every name; what it requires beside has defaults there."""
    schema = _optional(yaml.safe_load(Path(SCHEMA or "").read_text()))

    jsonschema.validate(values, schema)
    wrong = merged(values, {"hub": {"extraVolume": []}})
    with pytest.raises(jsonschema.ValidationError, match="extraVolume"):
        jsonschema.validate(wrong, schema)


def _optional(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_optional(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _optional(value)
        for key, value in schema.items()
        if key != "required" or not isinstance(value, list)
    }


def test_the_values_load_what_the_package_ships() -> None:
    """The file that hub.extraConfig names is in the wheel under that name."""
    said = VALUES["hub"]["extraConfig"]["dllab"]
    project = (ROOT / "pyproject.toml").read_text()

    assert '"share" / "jupyterhub" / "kubernetes.py"' in said
    compile(said, "extraConfig", "exec")
    assert '"config/jupyterhub" = "dllab_hub/share/jupyterhub"' in project
