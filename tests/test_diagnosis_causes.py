"""What is not the cause of a job's end, though it was said: earlier, elsewhere, by who was told."""

from __future__ import annotations

import pytest

from dllab_hub import diagnosis
from dllab_hub.shim.tracebacks import is_collateral, was_told
from dllab_hub.specs import (
    Cause,
    Code,
    Diagnosis,
    JobState,
    ReplicaStatus,
    Role,
    TrainingJob,
    TrainingSpec,
)

WORKSPACE = "/jobs/digits-bcdfghj/run/workspace"
PEER = "RuntimeError: [pair.cc:551] Connection closed by peer [127.0.0.1]:11475."
RESET = "ConnectionResetError: [Errno 104] Connection reset by peer"
ABORTED = "requests.exceptions.ConnectionError: ('Connection aborted.', 'Connection reset by peer')"
ASKED = "torch.distributed.elastic.multiprocessing.api.SignalException: Process 3 got signal: 15"


def traceback(error: str, line: int = 41) -> str:
    frames = f'  File "{WORKSPACE}/train.py", line {line}, in <module>\n    step()\n'
    return f"Traceback (most recent call last):\n{frames}{error}"


def replica(index: int, state: str = "FAILED", **about) -> ReplicaStatus:
    return ReplicaStatus(role="worker", index=index, attempt=2, state=JobState(state), **about)


def explain(*replicas: ReplicaStatus, log: str = "", reason: str = "it failed.") -> Diagnosis:
    spec = TrainingSpec(name="digits", image="pytorch", code=Code(source="1"), roles=(Role(),))
    job = TrainingJob(
        id="digits-bcdfghj", owner="ada", spec=spec, attempt=2, created=1.0, reason=reason,
        workspace=WORKSPACE, replicas=replicas, state=JobState.FAILED,
    )  # fmt: skip
    found = diagnosis.of_job(job, log=log.split("\n"))
    assert isinstance(found, Diagnosis)
    return found


def test_an_exception_after_another() -> None:
    """The last is told, which ended the program; what led to it only where that says more."""
    link = "\n\nDuring handling of the above exception, another exception occurred:\n\n"
    full = "OSError: [Errno 28] No space left on device"
    last = traceback("ValueError: no lr", 50)
    told = replica(3, exit_code=1, traceback=traceback("KeyError: 'lr'") + link + last)
    disk = replica(3, exit_code=1, traceback=traceback(full) + link + last)

    assert "worker-3 failed with ValueError at train.py line 50: no lr." == explain(told).message
    assert Cause.DISK_FULL is explain(disk).cause


@pytest.mark.parametrize("end", [{"exit_code": 3}, {"signal": "SIGSEGV"}])
def test_what_was_said_long_before_the_end(end: dict[str, object]) -> None:
    """A warning at the start, such as of what is not installed, is not the cause of the end."""
    log = "not used: No module named 'apex'\n" + "epoch\n" * 5 + "too bad: 0.2 < 0.9\n"

    assert Cause.CRASHED is explain(replica(3, **end), log=log).cause


def test_another_time_limit() -> None:
    """What an exception says of a time limit is not about the job's."""
    error = "RuntimeError: the solver reached its time limit"
    reason = f"worker-3 exited with code 1: {error}."
    failed = replica(3, exit_code=1, traceback=traceback(error))

    assert Cause.EXCEPTION is explain(failed, reason=reason).cause


@pytest.mark.parametrize("error", [RESET, ABORTED])
def test_a_job_alone_has_no_peer(error: str) -> None:
    """Who is the only one has lost no other replica."""
    found = explain(replica(0, exit_code=1, traceback=traceback(error)))

    assert Cause.EXCEPTION is found.cause
    assert found.message.startswith("worker-0 failed with Connection")


def test_a_download_that_fails() -> None:
    """It is the cause, also when it ended after one that has lost its connection to it."""
    other = replica(0, exit_code=1, traceback=traceback(PEER), ended=1.0)
    first = replica(1, exit_code=1, traceback=traceback(ABORTED), ended=2.0)
    found = explain(other, first)

    assert (Cause.EXCEPTION, "worker-1") == (found.cause, found.replica)
    assert not is_collateral(traceback(ABORTED))
    assert is_collateral(traceback(PEER))


def test_who_was_asked_to_end() -> None:
    """What a launcher says when it is asked to end is not the cause."""
    first = replica(0, exit_code=1, traceback=traceback(PEER), ended=1.0)
    told = replica(1, "CANCELLED", exit_code=1, traceback=traceback(ASKED), ended=2.0)

    assert "worker-0" == explain(first, told).replica
    assert all(map(was_told, ("", traceback(ASKED), traceback("SystemExit: 1"))))
    assert not was_told(traceback(PEER))
