"""A lab starts its backend by itself, and shows people what they may see."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from served import ONNX, NoGpus

from dllab_hub.errors import DLLabError, Unavailable
from dllab_hub.server import lab as lab_module
from dllab_hub.server.lab import Lab
from dllab_hub.specs import DeploymentSpec, Gpu, GpuReport, GpuState, Holder
from dllab_hub.testing import MemoryBackend


class LateBackend(MemoryBackend):
    """Starts with the third attempt."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    async def start(self) -> None:
        if self.errors:
            raise self.errors.pop(0)


class TwoGpus:
    """Two GPUs that do nothing."""

    async def report(self) -> GpuReport:
        gpus = tuple(Gpu(index=i, uuid=f"GPU-{i}", name="H100") for i in range(3))
        return GpuReport(state=GpuState.OK, time=1.0, gpus=gpus)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_module, "_RETRY", 0.05)


async def ready(lab: Lab) -> list[str]:
    """What was said until it was ready."""
    said = []
    for _ in range(200):
        try:
            lab.check()
        except DLLabError as exc:
            said.append(exc.message)
        else:
            return list(dict.fromkeys(said))
        await asyncio.sleep(0.01)
    raise AssertionError(said)


async def test_it_tries_again(caplog: pytest.LogCaptureFixture) -> None:
    """Until the backend has started everybody reads why not; the log says it once."""
    taken = "another lab service runs jobs here."
    lab = Lab(LateBackend(Unavailable(taken), Unavailable(taken)), NoGpus())
    lab.start()
    with caplog.at_level(logging.INFO):
        said = await ready(lab)
    await lab.close()

    assert said == ["the lab's job service is starting.", taken]
    assert 1 == sum(taken in record.getMessage() for record in caplog.records)


async def test_a_fault_when_starting(caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours is in the log with its traceback, and people read that the log has it."""
    lab = Lab(LateBackend(RuntimeError("a secret")), NoGpus())
    lab.start()
    said = await ready(lab)
    await lab.close()

    assert "the lab's job service does not start." in said
    assert "a secret" in caplog.text


async def test_closed_before_it_started() -> None:
    """Closing ends the attempts."""
    backend = LateBackend(*[Unavailable("no")] * 1000)
    lab = Lab(backend, NoGpus())
    lab.start()
    await asyncio.sleep(0.06)
    await lab.close()
    left = len(backend.errors)
    await asyncio.sleep(0.2)

    assert left == len(backend.errors)


async def test_holders_as_one_may_see_them() -> None:
    """One's own holders have names, others' have none, and the locks are tried once a second."""
    asked = []

    def holders(uuids):
        asked.append(uuids)
        mine = Holder(kind="job", owner="ada", name="digits", id="digits-bcdfghj")
        return {"GPU-0": mine, "GPU-1": Holder(kind="lab", owner="grace", name="hers", id="x")}

    lab = Lab(MemoryBackend(), TwoGpus(), holders=holders)
    for _ in range(5):
        report = await lab.report("ada")

    assert ["digits", "", None] == [gpu.holder and gpu.holder.name for gpu in report.gpus]
    assert "" == report.gpus[1].holder.owner + report.gpus[1].holder.id
    assert [["GPU-0", "GPU-1", "GPU-2"]] == asked


async def test_where_deployments_are(tmp_path: Path) -> None:
    """A deployment without a URL is at this host, whatever its owner is called."""
    memory = MemoryBackend()
    (tmp_path / "net.onnx").write_bytes(ONNX)
    await memory.serving.publish("Ada L/../é", "digits", tmp_path / "net.onnx")
    made = await memory.serving.deploy("Ada L/../é", DeploymentSpec(name="mine", model="digits"))
    here = Lab(memory, NoGpus(), serve_url="/x/serve/").located(made)

    assert "/x/serve/Ada%20L%2F..%2F%C3%A9/mine/" == here.url
    assert here == Lab(memory, NoGpus(), serve_url="/y/").located(here)
    assert made == Lab(memory, NoGpus()).located(made)


async def test_where_files_lie_while_they_come(tmp_path: Path) -> None:
    """A directory of the lab's own, without what its predecessor has left, or a temporary one."""
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    (uploads / "upload-half.onnx").write_bytes(b"half")
    lab = Lab(MemoryBackend(), NoGpus(), uploads=uploads)
    lab.start()
    await ready(lab)
    assert (uploads, False) == (lab.uploads, uploads.exists())
    await lab.close()

    lab = Lab(MemoryBackend(), NoGpus())
    scratch = lab.uploads
    assert (scratch, 0o700) == (lab.uploads, scratch.stat().st_mode & 0o777)
    await lab.close()
    assert not scratch.exists()
