"""A model that takes all memory there is, for real: the kernel kills its replica in a control group
that is too small. Where none can be made this is not measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import hungry_model
import psutil
import pytest
from memory_group import memory_group
from model_service import Callers, ModelService, model_service, until

from dllab_hub.errors import DLLabError
from dllab_hub.specs import (
    Canary,
    Deployment,
    DeploymentReplica,
    DeploymentSpec,
    DeploymentState,
    ReplicaState,
)

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
MIB = 2**20
#: Of it a replica with a small model needs about a third.
ROOM = 512 * MIB
#: Zeros that take at least 1 GiB.
TOO_MANY = 2**28
ROW = json.dumps({"instances": [[1, 2, 3, 4]]}).encode()
WORDS = "was killed by SIGKILL, likely out of memory: peak 0."


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group that has room for a replica, and for no large model."""
    with memory_group(ROOM) as path:
        yield path


@pytest.fixture
def service(group: Path, tmp_path: Path, onnx_models: Path) -> Iterator[ModelService]:
    """Serves version 1 of ``net``. It ends before the control group does."""
    with model_service(tmp_path / "memory") as made:
        made.serve(onnx_models / "net.onnx")
        yield made


def confine(service: ModelService, unit: str, group: Path) -> None:
    """Have a unit's processes in the group, also those that its shim will start."""
    launch = service.state.deployments / "ada" / "net" / "units" / unit / "launch.json"
    shim = psutil.Process(json.loads(until(lambda: _text(launch), f"{unit} starting"))["pid"])
    for process in (shim, *shim.children(recursive=True)):
        (group / "cgroup.procs").write_text(str(process.pid))


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def of_version(deployment: Deployment, version: int) -> list[DeploymentReplica]:
    return [one for one in deployment.replicas if one.version == version]


def told(service: ModelService, reason: str) -> str:
    """What the events with this reason say."""
    events = service.client.deployment_events("net")
    return "\n".join(one.message for one in events if one.reason == reason)


def test_a_request_that_takes_all_memory(
    service: ModelService, group: Path, tmp_path: Path
) -> None:
    """Whoever sends it gets a sentence; the replica is started again, then given up and the canary
    rolled back with the reason in words. The other version answers everything meanwhile."""
    service.publish(hungry_model.write(tmp_path / "hungry.onnx"))
    service.client.canary("net", Canary(version=2, percent=0, max_errors=None))
    until(
        lambda: any(
            one.state is ReplicaState.READY
            for one in of_version(service.client.deployment("net"), 2)
        ),
        "the canary answering",
    )
    confine(service, "replica-2", group)
    assert [0] == service.client.predict("net", [1000], version=2)
    with Callers(service, ROW) as callers:
        kills = 0
        while service.client.deployment("net").canary is not None and kills < 12:
            try:
                service.client.predict("net", [TOO_MANY], version=2)
                raise AssertionError("it was answered")
            except DLLabError as exc:
                assert exc.message
                assert "Traceback" not in str(exc)
            kills += 1
        callers.more()
    print(f"{callers}; {kills} such requests until the canary was rolled back")

    assert {} == callers.wrong
    assert WORDS in told(service, "ReplicaRestarted")
    assert WORDS in told(service, "RolledBack")
    assert DeploymentState.READY is service.ready().state


def test_a_model_that_takes_all_memory_as_it_loads(
    service: ModelService, group: Path, tmp_path: Path
) -> None:
    """A new version whose replica is killed each time: the deployment says so in words, and the old
    version answers everything, also while it is deployed again in its place."""
    service.publish(hungry_model.write(tmp_path / "hungry.onnx", at_load=TOO_MANY))
    with Callers(service, ROW) as callers:
        service.client.deploy(DeploymentSpec(name="net", model="net", version=2))
        confine(service, "replica-2", group)

        def failed() -> Deployment | None:
            now = service.client.deployment("net")
            gone = [one for one in of_version(now, 2) if one.state is ReplicaState.FAILED]
            return now if gone else None

        now = until(failed, "the new version failing", 120)
        assert DeploymentState.DEGRADED is now.state
        assert "version 2 answers with 0 of 1 replicas." in now.reason
        assert WORDS in now.reason
        callers.more()
        service.client.deploy(DeploymentSpec(name="net", model="net", version=1))
        service.ready()
        callers.more()
    print(f"{callers}; {now.reason}")

    assert {} == callers.wrong
