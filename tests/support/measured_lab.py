"""A lab of which everything can be measured: GPUs of the NVML stub, jobs and deployments in memory,
behind the lab service's own routes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from served import ONNX, Host, Loop, service_host, stub_hub

from dllab_hub.backends.calls import Call
from dllab_hub.metrics.nvml import Nvml
from dllab_hub.metrics.sampler import Sampler
from dllab_hub.server.alerting import Alerting
from dllab_hub.server.lab import Lab
from dllab_hub.specs import Code, DeploymentSpec, Holder, Progress, TrainingSpec
from dllab_hub.state import StateDir
from dllab_hub.testing import MemoryBackend
from dllab_hub.testing.nvml import FakeNvml

__all__ = ("TOKEN", "measured_lab")

#: With which Prometheus comes.
TOKEN = "prometheus-token"


@contextmanager
def measured_lab(loop: Loop, home: Path, *, gpus: int, jobs: int) -> Iterator[Host]:
    """One that everybody's GPUs, jobs and a deployment are in. This process sees the GPUs.

    Args:
        loop: It runs there.
        home: Where the GPUs' library is built.
        gpus: How many; ada has the first, grace the others.
        jobs: How many run, each with a step and a rate.
    """
    (home / "state").mkdir(parents=True)
    fake = FakeNvml.build(home / "nvml", gpus=gpus)
    nvml = Nvml()

    def holders(uuids: Sequence[str]) -> dict[str, Holder]:
        people = ("ada", *["grace"] * len(uuids))
        return {
            uuid: Holder(kind="lab", owner=person, name="thesis", id="thesis-bcdfghj")
            for uuid, person in zip(uuids, people, strict=False)
        }

    backend = MemoryBackend()
    with fake.loaded(), stub_hub(loop) as hub:
        hub.add(TOKEN, "prometheus", kind="service")
        sampler = Sampler(nvml.read)
        alerts = Alerting(StateDir(home / "state", home / "envs"), backend, sampler)
        lab = Lab(backend, sampler, kind="memory", holders=holders, alerts=alerts)
        with service_host(loop, hub, lab) as host:
            loop.call(_fill(backend, home, jobs))
            yield host
        nvml.close()


async def _fill(backend: MemoryBackend, home: Path, jobs: int) -> None:
    for number in range(jobs):
        code = Code(source="print('hello')")
        spec = TrainingSpec(name=f"job-{number}", image="here", code=code)
        job = await backend.submit("ada", spec)
        progress = Progress(step=number, time=backend._clock(), rate=2.0, interval=0.5)
        backend._records[job.id].report(progress)
    file = home / "model.onnx"
    file.write_bytes(ONNX)
    await backend.serving.publish("ada", "digits", file)
    await backend.serving.deploy("ada", DeploymentSpec(name="digits", model="digits", replicas=2))
    body = b'{"instances": [[1]]}'
    await backend.serving.call("ada", "digits", Call("POST", "v1/models/digits:predict", body))
