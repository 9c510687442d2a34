"""Why a deployment does not answer on a real cluster, as it says so itself.

Each test has the cluster say it: nothing here is a made-up answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import hungry_model
import pytest
import pytest_asyncio
from serving_reasons import cleared, says
from serving_story import MARKS, Told, a_story

from dllab_hub.errors import Unavailable
from dllab_hub.specs import DeploymentState

pytestmark = [*MARKS, pytest.mark.asyncio(loop_scope="module")]
_GIB = 1 << 30


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory, onnx_models: Path) -> AsyncIterator[Told]:
    async with a_story(tmp_path_factory.mktemp("story"), onnx_models) as made:
        async with made.service() as place:
            await place.publish()
        yield made


def change(told: Told, old: str, new: str) -> None:
    """Other settings for the next lab service."""
    path = told.state.root / "catalog.toml"
    before, found, after = path.read_text().rpartition(old)
    assert found
    path.write_text(before + new + after)


@pytest_asyncio.fixture(loop_scope="module")
async def settings(told: Told) -> AsyncIterator[Told]:
    """Its settings may be changed: they are as before for the next test."""
    path = told.state.root / "catalog.toml"
    text = path.read_text()
    yield told
    path.write_text(text)


async def test_more_memory_than_a_node_has(settings):
    """It waits, and says that no machine has so much; with less it serves."""
    change(settings, "memory = 536870912", f"memory = {900 * _GIB}")
    async with cleared(settings) as place:
        await place.deploy()
        now = await says(place, "memory")

    assert DeploymentState.READY is not now.state
    assert "Insufficient" not in now.reason


async def test_gpus_that_are_not_there(told):
    """It says that no machine has a GPU."""
    async with cleared(told) as place:
        await place.deploy(gpus=1)
        now = await says(place, "GPU")

    assert "nvidia.com" not in now.reason


async def test_an_image_that_is_not_there(settings):
    """It names the image, and whom to tell."""
    change(settings, 'container = "', 'container = "nosuch.invalid/')
    async with cleared(settings) as place:
        await place.deploy()
        now = await says(place, "image")

    assert DeploymentState.READY is not now.state


async def test_a_quota(told):
    """What the namespace may have is less: it says how much is left, and goes on by itself."""
    core, name = told.namespace.core, told.namespace.name
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"requests.memory": "256Mi"}}}
    await core.create_namespaced_resource_quota(name, quota)
    async with cleared(told) as place:
        await place.deploy()
        now = await says(place, "quota")
        await core.delete_namespaced_resource_quota("few", name)
        await place.state(DeploymentState.READY)

    assert "exceeded quota" not in now.reason


async def test_too_little_memory_to_load(settings, tmp_path):
    """A model that fits when it is inspected and not beside the limit says that it is memory."""
    change(settings, "memory = 536870912", "memory = 1610612736")
    async with cleared(settings) as place:
        file = hungry_model.write(tmp_path / "big.onnx", at_load=100_000_000)
        await place.serving.publish("ada", "hungry", file)
    change(settings, "memory = 1610612736", "memory = 268435456")
    async with cleared(settings) as place:
        await place.deploy(model="hungry")
        now = await says(place, "memory")

    assert DeploymentState.FAILED is now.state


async def test_a_model_that_is_damaged(told):
    """The model server's own sentence is the reason."""
    async with cleared(told) as place:
        await place.publish("damaged")
        (file,) = told.state.models.glob("ada/damaged/1/model.onnx")
        file.chmod(0o600)
        file.write_bytes(file.read_bytes()[:20])
        await place.deploy(model="damaged")
        now = await says(place, "cannot be served")
        log = (await place.serving.logs("ada", "digits")).text

    assert DeploymentState.FAILED is now.state
    assert "cannot be served" in log


async def test_a_model_that_is_gone(told):
    """A version that somebody has removed from the storage: its file is missing."""
    async with cleared(told) as place:
        await place.publish("gone")
        await place.deploy(model="gone")
        await place.ready()
        (folder,) = told.state.models.glob("ada/gone/1")
        folder.rename(folder.with_name("elsewhere"))
        (pod,) = await told.pods()
        await told.remove(pod, grace=0)
        now = await says(place, "no such file")

    assert DeploymentState.FAILED is now.state


async def test_a_claim_on_another_disk(settings, tmp_path):
    """Where the claim is not on the lab's storage, publishing and serving both say so."""
    core, name = settings.namespace.core, settings.namespace.name
    other = tmp_path / "other"
    other.mkdir()
    spec = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    size = {"storage": "1Gi"}
    volume = {**spec, "capacity": size, "hostPath": {"path": str(other)}}
    bound = {**spec, "volumeName": f"{name}-other", "resources": {"requests": size}}
    await core.create_persistent_volume({"metadata": {"name": f"{name}-other"}, "spec": volume})
    await core.create_namespaced_persistent_volume_claim(
        name, {"metadata": {"name": "other"}, "spec": bound}
    )
    change(settings, 'claim = "jobs"', 'claim = "other"')
    try:
        async with cleared(settings) as place:
            await place.deploy()
            now = await says(place, "no such file")
            with pytest.raises(Unavailable) as caught:
                await place.publish("lost")
    finally:
        await core.delete_persistent_volume(f"{name}-other")

    print("SAID publishing:", caught.value)
    assert DeploymentState.READY is not now.state


async def test_no_claim(settings):
    """It says that its storage does not exist."""
    change(settings, 'claim = "jobs"', 'claim = "nosuch"')
    async with cleared(settings) as place:
        await place.deploy()
        now = await says(place, "torage")

    assert DeploymentState.READY is not now.state


async def test_a_claim_that_is_not_bound(settings):
    """It says that the storage is not there yet."""
    core, name = settings.namespace.core, settings.namespace.name
    size = {"storage": "1Gi"}
    claim = {
        "metadata": {"name": "unbound"},
        "spec": {
            "accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": "nosuch",
            "resources": {"requests": size},
        },
    }  # fmt: skip
    await core.create_namespaced_persistent_volume_claim(name, claim)
    change(settings, 'claim = "jobs"', 'claim = "unbound"')
    async with cleared(settings) as place:
        await place.deploy()
        now = await says(place, "torage")

    assert DeploymentState.READY is not now.state
