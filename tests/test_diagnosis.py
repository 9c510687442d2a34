"""The pending doctor: a plain sentence, what to do, and whether waiting can help."""

from __future__ import annotations

import errno

import pytest

from dllab_hub import diagnosis
from dllab_hub.errors import NoCapacity, StorageFull, Unavailable
from dllab_hub.specs import (
    Cause,
    Code,
    DeploymentReplica,
    Forecast,
    Image,
    JobState,
    Remedy,
    ReplicaState,
    ReplicaStatus,
    Role,
    TrainingJob,
    TrainingSpec,
)

WAIT = Forecast(answer="wait", message="Has to wait: 1 of 4 is free.", smaller=1)
NEVER = Forecast(answer="never", message="Can never start: one lab may hold 2 at most.", smaller=0)
SERVER = "the lab's server"


def job(state: JobState, gpus: int = 0, **about: object) -> TrainingJob:
    spec = TrainingSpec(
        name="digits", image="pytorch", code=Code(source="1"), roles=(Role(gpus=gpus),)
    )
    return TrainingJob.from_wire(
        {"id": "digits-1", "owner": "ada", "spec": spec.to_wire(), "state": state, "created": 1.0}
        | about
    )


def test_a_build_says_how_far_it_is() -> None:
    """An environment that is being built is worth waiting for."""
    image = Image(
        name="jax", title="JAX 0.9", framework="jax", version="0.9", state="building",
        progress="45 %",
    )  # fmt: skip
    found = diagnosis.building(image)

    assert (Cause.ENVIRONMENT_BUILDING, False) == (found.cause, found.final)
    assert "JAX 0.9 is being built: 45 %." == found.message
    assert Remedy.WAIT in found.remedies


def test_a_missing_environment_is_final() -> None:
    """The hint is the administrator's command."""
    found = diagnosis.missing("jax", "JAX 0.9")

    assert (True, "The environment of JAX 0.9 is not built.") == (found.final, found.message)
    assert "dllab env build jax" in found.hint
    assert isinstance(diagnosis.to_error(found), Unavailable)


def test_taken_gpus_leave_a_choice() -> None:
    """Fewer, none, or later; with the number that would start now."""
    found = diagnosis.no_free_gpu(2, WAIT)
    error = diagnosis.to_error(found)

    assert "You asked for 2 GPUs. Has to wait: 1 of 4 is free." == found.message
    assert (Remedy.SMALLER, Remedy.CPU, Remedy.WAIT, Remedy.CANCEL) == found.remedies
    assert (1, False) == (found.gpus, found.final)
    assert isinstance(error, NoCapacity)
    assert "gpus" == error.field


def test_what_can_never_start_is_not_waited_for() -> None:
    """Above a limit nothing but a smaller wish helps."""
    found = diagnosis.no_free_gpu(3, NEVER)

    assert found.final
    assert (Remedy.CPU, Remedy.CANCEL) == found.remedies


@pytest.mark.parametrize(
    ("log", "reason", "cause", "said"),
    [
        (["OSError: [Errno 28] No space left on device"], "", Cause.DISK_FULL, "is full"),
        (["OSError: [Errno 98] Address already in use"], "", Cause.PORT_TAKEN, "port was taken"),
        (["torch.OutOfMemoryError: CUDA out of memory."], "", Cause.OUT_OF_MEMORY, "memory"),
        ([], "the lab's server was ended by SIGKILL.", Cause.OUT_OF_MEMORY, "not enough memory"),
        (["Bad config: x"], "exited with code 1.", Cause.CRASHED, "while it started: Bad config"),
        ([], "exited with code 3.", Cause.CRASHED, "exited with code 3"),
        ([], "", Cause.CRASHED, "it said nothing"),
    ],
)
def test_a_crash_is_read_from_its_last_words(
    log: list[str], reason: str, cause: Cause, said: str
) -> None:
    """The end of the log and the exit record say what it was."""
    found = diagnosis.crashed(SERVER, log, {"reason": reason}, "while it started")

    assert cause is found.cause
    assert said in found.message
    assert found.message.startswith("The ")
    assert Remedy.RETRY in found.remedies
    assert tuple(log) == found.log


def test_a_long_log_is_cut() -> None:
    """The last twenty lines come along, none of them endless; old ones do not count."""
    log = ["No space left on device", *(f"{n} {'x' * 1000}" for n in range(100))]
    found = diagnosis.crashed(SERVER, log)

    assert Cause.CRASHED is found.cause
    assert (20, 300) == (len(found.log), max(map(len, found.log)))


def test_a_full_disk_is_told_from_other_errors() -> None:
    """Only what the doctor knows gets a diagnosis."""
    full = diagnosis.of_error(OSError(errno.EDQUOT, "quota"), "your home")

    assert full
    assert "The disk that holds your home is full." == full.message
    assert isinstance(diagnosis.to_error(full), StorageFull)
    assert diagnosis.of_error(OSError(errno.EACCES, "no"), "your home") is None


def test_a_job_that_waits_or_failed() -> None:
    """The same words for a training worker: who holds the GPUs, or its own traceback."""
    waits = diagnosis.of_job(job(JobState.PENDING, gpus=2, reason="waits."), WAIT)
    queued = diagnosis.of_job(job(JobState.PENDING, reason="2 jobs are ahead of it."))
    broken = ReplicaStatus(
        role="worker", index=1, attempt=1, state=JobState.FAILED, traceback="a\nValueError: no data"
    )
    killed = broken.model_copy(update={"traceback": "", "signal": "SIGKILL"})
    failed, oom = (
        diagnosis.of_job(job(JobState.FAILED, reason="x.", replicas=[r.to_wire()]))
        for r in (broken, killed)
    )

    assert waits
    assert queued
    assert failed
    assert oom
    assert Cause.NO_FREE_GPU is waits.cause
    assert (Cause.STARTING, "2 jobs are ahead of it.") == (queued.cause, queued.message)
    assert (Cause.EXCEPTION, "worker-1 failed with ValueError: no data.") == (
        failed.cause,
        failed.message,
    )
    assert Cause.OUT_OF_MEMORY is oom.cause
    assert diagnosis.of_job(job(JobState.RUNNING)) is None


def test_a_replica_that_starts_or_failed() -> None:
    """And for what serves a model."""
    replica = DeploymentReplica(name="replica-1", version=1, state=ReplicaState.FAILED, reason="r.")
    failed = diagnosis.of_replica(replica, ["MemoryError"])
    starting = diagnosis.of_replica(replica.model_copy(update={"state": ReplicaState.STARTING}))
    ready = replica.model_copy(update={"state": ReplicaState.READY})

    assert failed
    assert starting
    assert (Cause.OUT_OF_MEMORY, Cause.STARTING) == (failed.cause, starting.cause)
    assert diagnosis.of_replica(ready) is None
