"""The settings that zero-to-jupyterhub is given, loaded as its hub loads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_cluster import a_spawner, pod_of
from jupyterhub.app import JupyterHub
from traitlets import TraitError
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

ROOT = Path(__file__).parents[2]
VALUES = yaml.safe_load((ROOT / "config" / "helm" / "values.yaml").read_text())


def load(folder: Path, changes: str = "") -> Config:
    """As the chart: hub.config first, then hub.extraConfig, which loads our file."""
    ours = ROOT / "config" / "jupyterhub" / "kubernetes.py"
    lines = [
        f"for name, values in {VALUES['hub']['config']!r}.items():",
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
    sections: dict[str, Any] = {name: dict(config[name]) for name in VALUES["hub"]["config"]}
    spawner = a_spawner(monkeypatch, groups=("vision",), **sections)
    pod = await pod_of(spawner, {"gpus": 1, "gpu_type": "a100", "volumes": ["team", "imagenet"]})

    assert "LabKubeSpawner" == hub.spawner_class.__name__
    assert ["theirs", "idle-culler"] == [service["name"] for service in hub.services]
    assert "theirs" == hub.load_roles[0]["name"]
    assert "registry.example.org/dllab/pytorch:2.13.0" == pod["spec"]["containers"][0]["image"]
    assert 600 == spawner.start_timeout
    assert 240 == spawner.get_state()["idle"]


def test_a_mistake_stops_the_hub(tmp_path: Path) -> None:
    """One sentence names the entry and the field."""
    with pytest.raises(TraitError, match=r"volumes\.team\.path: is nothing that a cluster has"):
        load(tmp_path, "c.LabCatalog.volumes[0] = {'name': 'team', 'title': 'T', 'path': '/srv'}")


def test_the_values_load_what_the_package_ships() -> None:
    """The file that hub.extraConfig names is in the wheel under that name."""
    said = VALUES["hub"]["extraConfig"]["dllab"]
    project = (ROOT / "pyproject.toml").read_text()

    assert '"share" / "jupyterhub" / "kubernetes.py"' in said
    compile(said, "extraConfig", "exec")
    assert '"config/jupyterhub" = "dllab_hub/share/jupyterhub"' in project
