"""Why a training job failed: the replica that failed first, in one sentence with a way out."""

from __future__ import annotations

import pytest

from dllab_hub import diagnosis
from dllab_hub.specs import (
    Cause,
    Code,
    Diagnosis,
    Frame,
    JobState,
    ReplicaStatus,
    Role,
    Stack,
    TrainingJob,
    TrainingSpec,
)

GIB = 2**30
WORKSPACE = "/jobs/digits-bcdfghj/run/workspace"
PEER = "RuntimeError: [pair.cc:551] Connection closed by peer [127.0.0.1]:11475."


def traceback(error: str, line: int = 41) -> str:
    return (
        "Traceback (most recent call last):\n"
        f'  File "{WORKSPACE}/train.py", line {line}, in <module>\n    step()\n'
        '  File "/env/lib/python3.11/site-packages/torch/nn/module.py", line 7, in __call__\n'
        f"    return forward()\n{error}"
    )


def replica(index: int, state: str = "FAILED", **about) -> ReplicaStatus:
    return ReplicaStatus(role="worker", index=index, attempt=2, state=JobState(state), **about)


def failed(*replicas: ReplicaStatus, memory: int | None = None, **about) -> TrainingJob:
    spec = TrainingSpec(
        name="digits", image="pytorch", code=Code(source="1"), roles=(Role(memory=memory),)
    )
    about = {"state": JobState.FAILED, "reason": "it failed.", **about}
    return TrainingJob(
        id="digits-bcdfghj", owner="ada", spec=spec, attempt=2, created=1.0,
        workspace=WORKSPACE, replicas=replicas, **about,
    )  # fmt: skip


def explain(*replicas: ReplicaStatus, log: str = "", machine: int | None = None, **about):
    found = diagnosis.of_job(failed(*replicas, **about), log=log.split("\n"), memory=machine)
    assert isinstance(found, Diagnosis)
    return found


@pytest.mark.parametrize(
    ("error", "cause", "said"),
    [
        ("RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x784 and 100x10)", Cause.SHAPE,
         "(64x784 and 100x10): the input has 784 features, and the layer takes 100."),
        ("RuntimeError: The size of tensor a (3) must match the size of tensor b (4) at "
         "non-singleton dimension 1", Cause.SHAPE, "tensor a (3) must match"),
        ("ValueError: Expected input batch_size (64) to match target batch_size (32).",
         Cause.SHAPE, "batch_size (64)"),
        ("RuntimeError: Given groups=1, weight of size [8, 3, 3, 3], expected input[1, 1, 28, 28] "
         "to have 3 channels, but got 1 channels instead", Cause.SHAPE, "3 channels"),
        ("RuntimeError: Error(s) in loading state_dict for Net:\n\tsize mismatch for fc.weight: "
         "copying a param with shape torch.Size([10, 5]) from checkpoint", Cause.SHAPE,
         "size mismatch for fc.weight"),
        ("ValueError: operands could not be broadcast together with shapes (3,) (4,) ",
         Cause.SHAPE, "(3,) (4,)"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a "
         "total capacity of 79.10 GiB of which 1.20 GiB is free.", Cause.GPU_OUT_OF_MEMORY,
         "tried to allocate 2.00 GiB, and 1.20 GiB of 79.10 GiB were free."),
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array with "
         "shape (1000000000,)\nMemoryError", Cause.OUT_OF_MEMORY, "7.45 GiB"),
        ("RuntimeError: DataLoader worker (pid 12) is killed by signal: Killed. ",
         Cause.OUT_OF_MEMORY, "data loader worker"),
        ("RuntimeError: DataLoader worker (pid 12) is killed by signal: Bus error. It may be "
         "that its workers are out of shared memory.", Cause.OUT_OF_MEMORY, "shared memory"),
        ("OSError: [Errno 28] No space left on device: '/data/out.pt'", Cause.DISK_FULL,
         "the disk of /data/out.pt is full"),
        ("RuntimeError: basic_ios::clear: iostream error", Cause.DISK_FULL, "disk is full"),
        ("ModuleNotFoundError: No module named 'einops'", Cause.MISSING_MODULE, "no module einops"),
        ("OSError: [Errno 98] Address already in use", Cause.PORT_TAKEN, "port"),
        ("KeyError: 'x'", Cause.EXCEPTION, "failed with KeyError at train.py line 41: 'x'."),
        ("AssertionError", Cause.EXCEPTION, "failed with AssertionError at train.py line 41."),
    ],
)  # fmt: skip
def test_an_exception(error: str, cause: Cause, said: str) -> None:
    """What it is, where in the person's own code, and the sizes; with a hint."""
    found = explain(replica(3, exit_code=1, traceback=traceback(error)))

    assert (cause, "worker-3", 2) == (found.cause, found.replica, found.attempt)
    assert found.message.startswith("worker-3 ")
    assert "at train.py line 41" in found.message
    assert said in found.message
    assert found.message.endswith(".")
    assert found.hint
    assert error.split("\n")[0] in found.traceback


@pytest.mark.parametrize(
    ("about", "cause", "message"),
    [
        ({"oom": None, "peak_memory": 234 * GIB // 10}, Cause.OUT_OF_MEMORY,
         "worker-3 was killed by SIGKILL, likely out of memory: peak 23.4 of 24 GiB."),
        ({"oom": True, "peak_memory": 3 * GIB}, Cause.OUT_OF_MEMORY,
         "worker-3 was killed by SIGKILL: the machine ran out of memory; its peak 3 of 24 GiB."),
        ({"oom": False, "peak_memory": 3 * GIB}, Cause.KILLED,
         "worker-3 was killed by SIGKILL, and not because memory ran out: peak 3 of 24 GiB."),
        ({"oom": None, "peak_memory": 3 * GIB}, Cause.KILLED,
         "worker-3 was killed by SIGKILL, perhaps for another reason: peak 3 of 24 GiB."),
    ],
)  # fmt: skip
def test_killed(about: dict, cause: Cause, message: str) -> None:
    """Whether memory is to blame is told from what the kernel says, or from the peak."""
    found = explain(replica(3, signal="SIGKILL", **about), machine=24 * GIB)

    assert (cause, message) == (found.cause, found.message)


def test_killed_for_its_own_limit() -> None:
    """The supervisor's own words, when it was that."""
    reason = "worker-3 used 5.1 GiB, more than the 4 GiB it may use. The job had been restarted."
    found = explain(replica(3, signal="SIGKILL"), memory=4 * GIB, reason=reason)

    assert Cause.OUT_OF_MEMORY is found.cause
    assert "worker-3 used 5.1 GiB, more than the 4 GiB it may use." == found.message


def test_other_signals() -> None:
    """A crash in native code is said to be one; a log may say more."""
    crash = explain(replica(3, signal="SIGSEGV"))
    bus = explain(replica(3, signal="SIGBUS"), log="ERROR: insufficient shared memory (shm)")

    assert (Cause.CRASHED, True) == (crash.cause, "native code" in crash.message)
    assert Cause.OUT_OF_MEMORY is bus.cause


def test_who_lost_its_peer_is_not_the_cause() -> None:
    """The one with an error of its own is, though another was seen to end first."""
    lost = replica(0, exit_code=1, traceback=traceback(PEER), ended=10.0)
    own = replica(3, "CANCELLED", exit_code=1, traceback=traceback("ValueError: boom"), ended=10.1)
    told = replica(1, "CANCELLED", signal="SIGTERM", traceback=traceback("KeyboardInterrupt"))
    found = explain(lost, told, own)

    assert (Cause.EXCEPTION, "worker-3") == (found.cause, found.replica)
    assert "boom" in found.traceback


def test_only_lost_peers() -> None:
    """When nobody says more, the one that was furthest behind is named."""
    error = "RuntimeError: Timed out waiting 60000ms for recv operation to complete"
    found = explain(
        replica(0, exit_code=1, traceback=traceback(error), step=140),
        replica(3, "CANCELLED", signal="SIGTERM", step=120),
    )

    assert (Cause.PEER, "worker-0") == (found.cause, found.replica)
    assert "worker-3 was furthest behind: step 120, others 140" in found.message


def test_a_peer_that_had_ended() -> None:
    """Who ended with success while the others went on is named."""
    lost = replica(0, exit_code=1, traceback=traceback(PEER))
    found = explain(lost, replica(3, "SUCCEEDED", exit_code=0))

    assert (Cause.PEER, "worker-0") == (found.cause, found.replica)
    assert "lost its connection to another replica at train.py line 41" in found.message
    assert "worker-3 had ended by then" in found.message


def test_the_first_of_two() -> None:
    """Of two that failed by themselves the earlier is the cause."""
    late = replica(0, exit_code=1, traceback=traceback("ValueError: late"), ended=11.0)
    early = replica(3, exit_code=1, traceback=traceback("ValueError: early"), ended=10.0)

    assert "worker-3" == explain(late, early).replica


def test_without_a_traceback() -> None:
    """The last line of its log, without what it orders a terminal to do."""
    found = explain(replica(3, exit_code=7), log="starting\n\x1b[31mbad config\x1b[0m\n\n")

    assert Cause.CRASHED is found.cause
    assert "worker-3 ended with code 7; its last line: bad config." == found.message
    assert ("starting", "bad config") == found.log


@pytest.mark.parametrize(
    ("state", "reason", "cause"),
    [
        (JobState.LOST, "its supervisor was killed.", Cause.LOST),
        (JobState.FAILED, "it reached its time limit of 2 h; last checkpoint: step 460.",
         Cause.TIME_LIMIT),
        (JobState.FAILED, "nothing was heard of the job for 10 min.", Cause.STALLED),
        (JobState.FAILED, "worker-0 cannot be started: No space left on device.", Cause.DISK_FULL),
        (JobState.FAILED, "the supervisor could not start: boom", Cause.CRASHED),
    ],
)  # fmt: skip
def test_ends_that_are_nobodys(state: JobState, reason: str, cause: Cause) -> None:
    """What its own sentence says, when no replica is to blame."""
    found = explain(state=state, reason=reason)

    assert (cause, "") == (found.cause, found.replica)
    assert found.message.casefold().startswith(reason[:20].casefold())


def test_who_was_last_when_all_were_silent() -> None:
    """The supervisor's own words name the replica."""
    reason = "nothing was heard of the job for 10 min; worker-3 was last, at step 12."
    found = explain(replica(0, signal="SIGTERM"), reason=reason)

    assert (Cause.STALLED, "worker-3", reason.capitalize()) == (
        found.cause, found.replica, found.message,
    )  # fmt: skip


@pytest.mark.parametrize("state", ["RUNNING", "SUCCEEDED", "CANCELLED", "PAUSED"])
def test_nothing_is_wrong(state: str) -> None:
    """A job that runs, or ended as it was meant to, has no diagnosis."""
    assert diagnosis.of_job(failed(state=JobState(state))) is None


def stack(index: int, *frames: tuple[str, str, int], waits: bool = False) -> Stack:
    return Stack(
        replica=f"worker-{index}", pid=7, waits=waits,
        frames=tuple(Frame(function=f, file=p, line=n) for f, p, n in frames),
    )  # fmt: skip


REDUCE = (("all_reduce", "/env/torch/distributed/c10d.py", 9), ("<module>", "train.py", 12))
SLEEP = (("<module>", "train.py", 41),)


def test_a_silent_job() -> None:
    """Who is where, while how many wait for it; the stack of the one that does not wait."""
    job = failed(state=JobState.RUNNING, silent_since=1000.0, reason="")
    stacks = [*(stack(n, *REDUCE, waits=True) for n in range(3)), stack(3, *SLEEP)]
    found = diagnosis.stalled(job, 1720.0, stacks, {("train.py", 41): "    time.sleep(600)"})

    assert (Cause.STALLED, "worker-3", False) == (found.cause, found.replica, found.final)
    assert (
        "Nothing was heard of the job for 12 min: worker-3 is at train.py line 41, in "
        "`time.sleep(600)`, while 3 others wait in all_reduce."
    ) == found.message
    assert "time.sleep(600)" in found.traceback


@pytest.mark.parametrize(
    ("replicas", "stacks", "said"),
    [
        ((), [], "for 1 min."),
        ((), [stack(0, *REDUCE, waits=True), stack(1, *REDUCE, waits=True)],
         "all 2 replicas wait in all_reduce"),
        ((), [stack(0, *REDUCE, waits=True),
              stack(1, ("barrier", "/x/torch/distributed/c10d.py", 3), waits=True)],
         "all wait, in different operations: all_reduce, barrier"),
        ((replica(1, "SUCCEEDED"),), [stack(0, *REDUCE, waits=True)],
         "worker-1 has ended, while worker-0 waits in all_reduce"),
        ((replica(1, "RUNNING", stopped=True),), [stack(0, *REDUCE, waits=True)],
         "worker-1 is stopped by a signal, while worker-0 waits in all_reduce"),
        ((), [stack(0, ("get", "/lib/python3/queue.py", 171))],
         "worker-0 is in get at queue.py line 171"),
    ],
)  # fmt: skip
def test_other_silences(replicas, stacks, said: str) -> None:
    """All wait, one has ended or is stopped, or nobody has looked."""
    job = failed(*replicas, state=JobState.RUNNING, silent_since=1000.0, reason="")

    assert said in diagnosis.stalled(job, 1060.0, stacks).message
