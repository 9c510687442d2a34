"""What the administrator says of models on a cluster: read, or refused by the name of the key."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dllab_hub.backends.calls import Call
from dllab_hub.backends.kubernetes.backend import KubernetesBackend
from dllab_hub.backends.kubernetes.serving import ClusterServing, NoServing
from dllab_hub.backends.kubernetes.serving.settings import serving_of
from dllab_hub.backends.local.serving.pickles import Pickles
from dllab_hub.catalog import SETTINGS as FROM_THE_HUB
from dllab_hub.catalog import cluster_catalog, settings_of
from dllab_hub.errors import DLLabError, InvalidRequest, Unavailable
from dllab_hub.specs import Canary, DeploymentSpec
from dllab_hub.state import StateDir

TORCH = """
[[images]]
name = "torch"
title = "PyTorch"
framework = "pytorch"
version = "2.13"
container = "registry.example.org/lab/torch:2.13"
"""
SERVES = """
[[images]]
name = "serving"
title = "ONNX"
framework = "onnx"
version = "1"
serves = ["onnx"]
container = "registry.example.org/lab/serving:1"
"""
#: User of the pods: files are made for them.
ME = os.geteuid() or 1000


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    """A state directory without settings."""
    root = tmp_path / "state"
    root.mkdir()
    return StateDir(root, root / "envs", tmp_path / "shared")


def write(state: StateDir, text: str) -> None:
    (state.root / "catalog.toml").write_text(text)


def cluster(text: str = "") -> str:
    """Settings of a cluster that serves models, with these lines about serving."""
    return f'{TORCH}{SERVES}[serving.cluster]\nclaim = "models"\nuser = {ME}\n{text}'


async def test_nothing_is_set(state: StateDir) -> None:
    """Without a table models are not served, and every verb says what the administrator sets."""
    write(state, f'{TORCH}[cluster]\nclaim = "jobs"\nuser = {ME}\n')
    backend = KubernetesBackend(state)
    serving = backend.serving
    assert isinstance(serving, NoServing)
    assert serving_of(state) is None

    wish = DeploymentSpec(name="digits", model="digits")
    for asked in (
        serving.publish("ada", "digits", state.root / "x"),
        serving.models("ada"),
        serving.versions("ada", "digits"),
        serving.deploy("ada", wish),
        serving.get("ada", "digits"),
        serving.list("ada"),
        serving.scale("ada", "digits", 1),
        serving.delete("ada", "digits"),
        serving.logs("ada", "digits"),
        serving.events("ada", "digits"),
        serving.call("ada", "digits", Call("GET", "v2/models/digits")),
    ):
        with pytest.raises(Unavailable, match="this lab serves no models") as caught:
            await asked
        assert "serving.cluster" in caught.value.hint
    for asked in (
        serving.canary("ada", "digits", Canary(version=2)),
        serving.promote("ada", "digits"),
        serving.rollback("ada", "digits"),
        serving.replace("ada", "digits", "ada"),
        serving.download("ada", "digits", 1),
    ):
        with pytest.raises(Unavailable):
            await asked
    await backend.close()


async def test_it_is_set(state: StateDir) -> None:
    """With a table there is somebody who serves."""
    write(state, f'{cluster()}[cluster]\nclaim = "jobs"\nuser = {ME}\n')
    backend = KubernetesBackend(state)
    assert isinstance(backend.serving, ClusterServing)
    await backend.close()


def test_what_is_said_is_read(state: StateDir) -> None:
    """Each key arrives, and what is not said is as usual."""
    write(
        state, cluster('namespace = "models"\nscaler = "cluster"\ndrain = 30\nmemory = 134217728')
    )
    found = serving_of(state)
    assert found is not None
    assert ("models", "models", "cluster", 30, 1 << 27, ME) == (
        *(found.namespace, found.claim, found.scaler, found.drain, found.memory),
        found.user,
    )
    write(state, cluster())
    found = serving_of(state)
    assert found is not None
    assert ("dllab-serving", "lab", 15) == (found.namespace, found.scaler, found.drain)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (cluster('claims = "x"'), "serving.cluster.claims: there is no such key"),
        (cluster("images = []"), "serving.cluster.images: there is no such key"),
        (cluster('namespace = "No_Name"'), "serving.cluster.namespace"),
        (cluster('namespace = ""'), "serving.cluster.namespace"),
        (cluster("drain = 1"), "serving.cluster.drain"),
        (cluster('memory = "much"'), "serving.cluster.memory"),
        (cluster('scaler = "nobody"'), "serving.cluster.scaler"),
        (cluster('gateway = "perhaps"'), "serving.cluster.gateway"),
        (cluster().replace(f"user = {ME}", "user = 0"), "serving.cluster.user"),
        (cluster().replace('claim = "models"', ""), "serving.cluster.claim"),
        (f"{TORCH}{SERVES}[serving]\ncluster = 3\n", "serving.cluster: must be a table"),
        (f"serving = 3\n{TORCH}{SERVES}", "serving: must be a table"),
        (f'{TORCH}[serving.cluster]\nclaim = "m"\n', "no image of the catalog has both"),
        (f"{TORCH}{SERVES}[serving]\nclutser = 3\n", "serving.clutser: there is no such key"),
        (cluster().replace('["onnx"]', "3"), "images.serving.serves"),
        (cluster().replace('name = "serving"', 'nmae = "serving"'), "images.1"),
    ],
)
def test_what_is_wrong_is_named(state: StateDir, text: str, named: str) -> None:
    """The administrator reads which key is wrong."""
    write(state, text)
    with pytest.raises(DLLabError) as caught:
        serving_of(state)

    assert named in str(caught.value)
    assert not isinstance(caught.value, InvalidRequest)  # It is nobody's request.
    assert "LabCatalog, catalog.toml" in str(caught.value)


def test_images_serve_or_run(state: StateDir) -> None:
    """Models are served in images that have ``serves``, labs and jobs run in the others."""
    write(state, cluster())
    found = serving_of(state)
    assert found is not None

    assert ["serving"] == [image.name for image in found.images]
    assert "registry.example.org/lab/serving:1" == found.image("onnx")
    offered = cluster_catalog(state)
    assert ["torch"] == [image.name for image in offered.images]
    assert "torch" == offered.default_image


def test_the_hub_says_so(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `LabCatalog` says comes before the file, and is wrong in the same words."""
    write(state, cluster('namespace = "of-the-file"'))
    said = {"serving": {"pickles": True, "cluster": {"claim": "of-the-hub"}}}
    monkeypatch.setenv(FROM_THE_HUB, json.dumps(said))
    found = serving_of(state)
    assert found is not None
    assert ("of-the-hub", "dllab-serving") == (found.claim, found.namespace)

    monkeypatch.setenv(FROM_THE_HUB, json.dumps({"serving": {"cluster": {"claim": 3}}}))
    with pytest.raises(DLLabError, match=r"serving\.cluster\.claim"):
        serving_of(state)


@pytest.mark.parametrize("from_the_hub", [False, True])
@pytest.mark.parametrize("allowed", [False, True])
def test_pickles_beside_it(
    state: StateDir, monkeypatch: pytest.MonkeyPatch, from_the_hub: bool, allowed: bool
) -> None:
    """Whether models may be pickles is said in the same table, in the file or by the hub."""
    said = {"serving": {"pickles": allowed, "cluster": {"claim": "models", "user": ME}}}
    if from_the_hub:
        write(state, TORCH + SERVES)
        monkeypatch.setenv(FROM_THE_HUB, json.dumps(said))
    else:
        write(state, f"{cluster()}[serving]\npickles = {str(allowed).lower()}\n")
    pickles = Pickles(state, lambda _: settings_of(state))

    assert serving_of(state) is not None
    pickles.check("onnx", "model")
    if allowed:
        pickles.check("pickle", "model")
    else:
        with pytest.raises(InvalidRequest, match="is a pickle"):
            pickles.check("pickle", "model")


def test_a_wrong_word_about_pickles(state: StateDir) -> None:
    """It is named, and no pickle is taken."""
    write(state, f"{cluster()}[serving]\npickels = true\n")
    with pytest.raises(DLLabError, match=r"serving\.pickels"):
        Pickles(state, lambda _: settings_of(state)).check("pickle", "model")


def test_files_for_another_user(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that can make no files for the pods' user says which key to change."""
    write(
        state,
        f'{cluster()}[cluster]\nclaim = "jobs"\nuser = 4242\n'.replace(f"user = {ME}", "user = 7"),
    )
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(Unavailable, match="as user 4242, and pods as 7") as caught:
        KubernetesBackend(state)
    assert "serving.cluster.user" in caught.value.hint
