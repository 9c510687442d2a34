"""Whose the processes on the GPUs are, as each person may see it, asked and over the stream."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from served import Host, Loop
from watching import Watching, past, tick, watching

from dllab_hub.metrics.nvml import Nvml
from dllab_hub.metrics.processes import Processes
from dllab_hub.specs import GpuProcess, GpuReport, Holder
from dllab_hub.testing.nvml import FakeNvml

UUID = "GPU-00000000-0000-0000-0000-000000000000"
JOB = Holder(kind="job", owner="ada", name="digits", id="digits-bcdfghj")


@pytest.fixture
def watch(loop: Loop) -> Iterator[Watching]:
    """Watches hosts; see `Watching`."""
    with watching(loop) as watch:
        yield watch


@pytest.fixture
def worker() -> Iterator[int]:
    """A process of Ada's job."""
    env = {"DLLAB_LEASE": JOB.id, "DLLAB_ROLE": "worker", "DLLAB_REPLICA": "0"}
    process = subprocess.Popen(
        ["/bin/sh", "-c", "echo here; read line"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process.pid
    process.communicate()


def _asked(host: Host, token: str) -> GpuReport:
    headers = {"Authorization": f"token {token}"}
    answer = httpx.get(f"{host.url}gpus", headers=headers, trust_env=False)
    return GpuReport.from_wire(answer.json())


def test_who_sees_what(
    service: Host, watch: Watching, worker: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ada sees her worker; Grace, that a job uses so much memory; both, that somebody else does."""
    fake = FakeNvml.build(tmp_path / "nvml", gpus=1)
    fake.set(gpu=0, processes=f"{worker}:1000 {2**22 + 1}:500")
    nvml = Nvml()
    with fake.loaded():
        watch.live(service, read=nvml.read, interval=0.2, linger=5)
        monkeypatch.setattr(service.lab, "_find_holders", lambda _: {UUID: JOB})
        monkeypatch.setattr(service.lab, "_processes", Processes(machine=True))
        seen = {}
        for token in ("ada-token", "grace-token"):
            watcher = watch(service, token)
            past(watcher)
            reports = (tick(watcher), _asked(service, token))
            told = {report.gpus[0].processes for report in reports}
            assert len(told) == 1
            seen[token] = told.pop()
        nvml.close()

    assert seen["ada-token"] == (
        GpuProcess(pid=worker, memory=1000, name="sh", holder=JOB, replica="worker-0"),
        GpuProcess(memory=500),
    )
    assert seen["grace-token"] == (
        GpuProcess(memory=1000, holder=Holder(kind="job")),
        GpuProcess(memory=500),
    )


def test_when_the_last_holder_has_ended(
    service: Host, watch: Watching, worker: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report from before tells nobody else whose the processes were, nor what they are."""
    fake = FakeNvml.build(tmp_path / "nvml", gpus=1)
    fake.set(gpu=0, processes=f"{worker}:1000")
    nvml = Nvml()
    with fake.loaded():
        watch.live(service, read=nvml.read, interval=10, linger=30)
        monkeypatch.setattr(service.lab, "_find_holders", lambda _: {UUID: JOB})
        monkeypatch.setattr(service.lab, "_processes", Processes(machine=True))
        service.lab.forget_holders()
        before = _asked(service, "ada-token").gpus[0].processes
        monkeypatch.setattr(service.lab, "_find_holders", lambda _: {})
        service.lab.forget_holders()
        after = _asked(service, "grace-token").gpus[0].processes
        nvml.close()

    assert before is not None
    assert before[0].pid == worker
    assert (GpuProcess(memory=1000),) == after
