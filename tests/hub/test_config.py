"""`LabCatalog`: the catalog in JupyterHub's configuration, and what a wrong one says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running_hub import make_image
from traitlets import TraitError
from traitlets.config import Config

from dllab_hub.catalog import SETTINGS, load_catalog
from dllab_hub.hub.config import LabCatalog, check
from dllab_hub.state import StateDir

TORCH = {
    "name": "torch", "title": "Torch", "framework": "pytorch", "version": "2.13",
    "container": "reg.io/lab/torch:2.13",
}  # fmt: skip


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateDir:
    """A machine with one image."""
    monkeypatch.setenv("DLLAB_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DLLAB_ENVS", str(tmp_path / "envs"))
    state = StateDir.default()
    state.root.mkdir()
    make_image(state, "pytorch", Path(sys.executable))
    return state


def config(**traits: Any) -> Config:
    return Config({"LabCatalog": traits})


def test_a_cluster_is_described_by_the_settings_alone() -> None:
    """Images, sizes, GPU types and limits come from the traits."""
    catalog = check(
        config(
            images=[TORCH],
            memory=["2G", 1 << 33],
            cpus=[1, 2.5],
            gpu_types=[{"name": "a100", "title": "A100", "node_selector": {"gpu": "a100"}}],
            volumes=[{"name": "team", "title": "Team", "claim": "team", "mount": "/data/team"}],
            limits={"max_gpus": 2},
            groups={"staff": {"max_gpus": 8}},
        ),
        "cluster",
    )

    assert ("torch", (2 << 30, 8 << 30), (1, 2.5), 2) == (
        catalog.default_image, catalog.memory, catalog.cpus, catalog.max_gpus
    )  # fmt: skip
    assert 8 == catalog.for_person("ada", {"staff"}).max_gpus


def test_on_one_machine_the_settings_come_before_the_file(state: StateDir) -> None:
    """The traits replace what catalog.toml says, and the lab service is told of them."""
    (state.root / "catalog.toml").write_text("idle = [5]\n[limits]\nmax_gpus = 1\n")
    services = [{"name": "other"}, {"name": "dllab", "environment": {"A": "b"}}]

    catalog = check(config(limits={"max_gpus": 3}), "machine", services)

    assert (3, (5,)) == (catalog.max_gpus, catalog.idle)
    told = services[1]["environment"]
    assert {"A": "b", SETTINGS: '{"limits": {"max_gpus": 3}}'} == told
    assert catalog == load_catalog(state, settings=json.loads(told[SETTINGS]))


@pytest.mark.parametrize(
    ("target", "traits", "said"),
    [
        ("cluster", {}, "images"),
        ("cluster", {"images": [{"name": "x"}]}, "images.x.container"),
        ("cluster", {"images": [{**TORCH, "titel": "x"}]}, "images.torch.titel: there is no such"),
        ("cluster", {"images": [TORCH], "default_image": "gone"}, "default_image"),
        ("cluster", {"images": [TORCH], "memory": ["8 apples"]}, "memory: must be a size"),
        ("cluster", {"images": [TORCH], "bring": {"images": "("}}, "bring.images: no regular"),
        ("cluster", {"images": [TORCH], "limits": {"gpus": 1}}, "limits.gpus"),
        ("cluster", {"images": [TORCH], "groups": {"x": {"max": 1}}}, "groups.x.max"),
        (
            "cluster",
            {"images": [TORCH], "volumes": [{"name": "v", "title": "V", "path": "/srv"}]},
            "volumes.v.path: is nothing that a cluster has.",
        ),
        (
            "cluster",
            {
                "images": [TORCH],
                "volumes": [{"name": "v", "title": "V", "claim": "c", "mount": "/etc"}],
            },
            "volumes.v.mount: must lie below /data",
        ),
        (
            "machine",
            {"volumes": [{"name": "v", "title": "V", "path": "/a/../b"}]},
            "volumes.v.path: must be an absolute path",
        ),
        ("machine", {"volumes": [{"name": "v", "title": "V", "claim": "c"}]}, "volumes.v.claim"),
        ("machine", {"volumes": [{"name": "v", "title": "V"}]}, "volumes.v.path: does not say"),
        ("machine", {"cpus": [1]}, "cpus: cannot be offered"),
    ],
)
def test_a_wrong_entry_is_named(
    state: StateDir, target: str, traits: dict[str, Any], said: str
) -> None:
    """What is wrong is one sentence with the entry's own name and the field."""
    with pytest.raises(TraitError) as caught:
        check(config(**traits), target)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_catalog_stops_the_hub(state: StateDir, tmp_path: Path) -> None:
    """JupyterHub ends at its start, with the sentence and without a traceback."""
    file = tmp_path / "jupyterhub_config.py"
    file.write_text(
        "from dllab_hub.hub.config import check\n"
        'c.LabCatalog.volumes = [{"name": "v", "title": "V", "path": "srv"}]\n'
        'check(c, "machine")\n'
    )

    ended = subprocess.run(
        [sys.executable, "-m", "jupyterhub", "-f", str(file)],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert 0 != ended.returncode
    assert "volumes.v.path: must be an absolute path" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_each_trait_has_its_help() -> None:
    """`jupyterhub --help-all` explains every setting."""
    for name, trait in LabCatalog.class_traits(config=True).items():
        assert trait.help, name


@pytest.mark.parametrize(
    ("traits", "said"),
    [
        ({}, "images: none is given: a cluster needs one at least."),
        ({"images": [{**TORCH, "container": "no image"}]}, "images.torch.container: must look"),
        ({"images": [{**TORCH, "state": "missing"}]}, "images.torch.state: there is no such key."),
        ({"images": [TORCH], "limits": {"max_gpus": "4"}}, "limits.max_gpus: should be"),
        ({"images": [TORCH], "groups": {"staff": {"gpus": 1}}}, "groups.staff.gpus: there is no"),
        (
            {
                "images": [TORCH],
                "volumes": [{"name": "v", "title": "V", "claim": "c", "sub_path": "p/{user}"}],
            },
            "volumes.v.sub_path: knows {username} and nothing else.",
        ),
    ],
)
def test_a_complaint_names_what_the_administrator_wrote(traits: Any, said: str) -> None:
    """The key as it stands in the settings, whatever it is called inside."""
    with pytest.raises(TraitError) as caught:
        check(config(**traits), "cluster")

    assert said in str(caught.value)


def test_labs_are_offered_what_is_here_and_the_service_is_told_of_the_rest(state: StateDir) -> None:
    """What only jobs on a cluster can have is in no form; the lab service knows the way there."""
    services: list[dict[str, Any]] = [{"name": "dllab"}]
    offered = check(
        config(
            targets=[{"name": "farm", "title": "Farm", "kubeconfig": "/k", "claim": "jobs"}],
            images=[TORCH],
            volumes=[{"name": "nas", "title": "NAS", "claim": "nas"}],
        ),
        "machine",
        services,
    )

    assert ((), (), False) == (
        offered.targets,
        offered.volumes,
        "torch" in [image.name for image in offered.images],
    )
    assert "/k" in services[0]["environment"][SETTINGS]
