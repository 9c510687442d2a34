"""One replica: its place in the gang, its traceback."""

from typing import Any

import pytest

from dllab_hub.shim.replica import replicas_of
from dllab_hub.shim.signals import signal_name
from dllab_hub.specs import JobState, ReplicaStatus

PLAN: dict[str, Any] = {
    "id": "digits-1",
    "name": "digits",
    "roles": [{"name": "worker", "replicas": 2, "gpus": 1, "processes": 1}],
    "gpus": ["GPU-a", "GPU-b"],
}


def test_the_processes_of_a_replica_share_out_its_gpus() -> None:
    """Each gets its part, in order; where there are fewer GPUs than processes all have them."""
    roles = [
        {"name": "worker", "replicas": 2, "gpus": 2, "processes": 2},
        {"name": "actor", "replicas": 1, "gpus": 1, "processes": 3},
        {"name": "critic", "replicas": 1, "gpus": 0, "processes": 1},
    ]
    gang = replicas_of({**PLAN, "roles": roles, "gpus": list("abcde")}, 1)

    names = ["worker-0.0", "worker-0.1", "worker-1.0", "worker-1.1"]
    assert [*names, "actor-0.0", "actor-0.1", "actor-0.2", "critic-0"] == [r.name for r in gang]
    parts = [("a",), ("b",), ("c",), ("d",), ("e",), ("e",), ("e",), ()]
    assert parts == [replica.gpus for replica in gang]
    assert list(range(8)) == [replica.rank for replica in gang]


def test_too_few_gpus_are_refused() -> None:
    """A gang never starts with fewer GPUs than its roles need."""
    with pytest.raises(ValueError, match="2 GPUs are needed and the job was given 1"):
        replicas_of({**PLAN, "gpus": ["GPU-a"]}, 1)


def test_the_wire_is_the_specs_own() -> None:
    """What the shim writes by hand is exactly a ReplicaStatus, and both say the same name."""
    roles = [{"name": "worker", "replicas": 2, "gpus": 1, "processes": 2}]
    single, several = (replicas_of({**PLAN, "roles": r}, 1)[-1] for r in (PLAN["roles"], roles))
    single.stopped = 19
    running, second = (
        ReplicaStatus.from_wire(single.wire()),
        ReplicaStatus.from_wire(several.wire()),
    )
    single.end(-9, 12.5, "")
    failed = ReplicaStatus.from_wire(single.wire())

    by_the_service = {"step", "rate", "straggler"}
    assert running.to_wire().keys() == single.wire().keys() | by_the_service
    assert (JobState.RUNNING, JobState.FAILED) == (running.state, failed.state)
    assert (True, False) == (running.stopped, failed.stopped)
    assert ("SIGKILL", None, 12.5) == (failed.signal, failed.exit_code, failed.ended)
    assert "worker-1 was ended by SIGKILL." == single.why
    assert ("worker-1", "worker-1.1") == (running.name, second.name) == (single.name, several.name)


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (34, "SIGRTMIN"), (40, "SIGRTMIN+6")])
def test_every_signal_has_a_name(number: int, name: str) -> None:
    """Real-time signals too."""
    assert name == signal_name(number)
