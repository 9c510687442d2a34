"""Which replica failed first, and why: not the one that was only left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

MakeJob = Callable[..., Any]
#: Rank 0 hears that rank 1 is gone, and ends before that one does.
LATE = """
    import os, sys, time
    if os.environ["RANK"] == "1":
        try:
            raise ValueError("mat1 and mat2 shapes cannot be multiplied (4x16 and 8x1)")
        finally:
            sys.excepthook(*sys.exc_info())
            time.sleep(SECONDS)
            os._exit(1)
    time.sleep(0.3)
    raise RuntimeError("MESSAGE")
    """
PEER = "Connection closed by peer [127.0.0.1]:4471"
CAUSE = "ValueError: mat1 and mat2 shapes cannot be multiplied (4x16 and 8x1)."


@pytest.mark.parametrize("seconds", [0.6, 60])
def test_who_was_left_alone_is_not_the_cause(job: MakeJob, seconds: float) -> None:
    """Though it ends first: the other one takes its time, and may have to be killed."""
    source = LATE.replace("SECONDS", str(seconds)).replace("MESSAGE", PEER)
    made = job(source, replicas=2).start()
    end = made.end()

    assert ("FAILED", f"worker-1 failed: {CAUSE}") == (end["state"], end["reason"])
    assert ["CANCELLED", "FAILED"] == [one["state"] for one in made.replicas]
    assert "cannot be multiplied" in made.replicas[1]["traceback"]
    assert ["Started", "ReplicaFailed", "ReplicaFailed", "Failed"] == made.events


def test_an_error_of_its_own_stays_the_cause(job: MakeJob) -> None:
    """Who failed first with something to say is it, whatever others say after it."""
    source = LATE.replace("SECONDS", "0.6").replace("MESSAGE", "boom")
    made = job(source, replicas=2).start()
    end = made.end()

    assert "worker-0 exited with code 1: RuntimeError: boom." == end["reason"]
    assert ["FAILED", "CANCELLED"] == [one["state"] for one in made.replicas]


def test_the_cause_is_told_of_a_job_that_is_restarted(job: MakeJob) -> None:
    """The second attempt begins for the right reason, and is announced once."""
    source = LATE.replace("SECONDS", "0.6").replace("MESSAGE", PEER)
    made = job(source, replicas=2, max_restarts=1).start()
    end = made.end()

    assert end["reason"].startswith(f"worker-1 failed: {CAUSE}")
    assert 1 == made.events.count("Restarting")


TRAIN = """
    import os, time, torch, torch.distributed as dist
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(16, 1))
    for step in range(1, 1000):
        model(torch.ones(4, 8 if step == 4 and rank == 3 else 16)).sum().backward()
        print("STEP", step, flush=True)
        time.sleep(0.01)
    """


@pytest.mark.timeout(200)
def test_a_shape_error_on_rank_3_of_4(job: MakeJob, torch_python: str) -> None:
    """With real PyTorch: rank 3 is named with its sizes, and the others are not blamed."""
    made = job(TRAIN, replicas=4, python=torch_python).start()
    end = made.end(150)

    assert "FAILED" == end["state"]
    assert end["reason"].startswith("worker-3 ")
    assert "mat1 and mat2 shapes cannot be multiplied (4x8 and 16x1)" in end["reason"]
    assert ["CANCELLED"] * 3 + ["FAILED"] == [one["state"] for one in made.replicas]
    assert "mat1 and mat2" in made.replicas[3]["traceback"]


@pytest.mark.timeout(200)
def test_what_torchrun_started_says_why(job: MakeJob, torch_python: str) -> None:
    """A job that runs torchrun itself fails with its rank's error, not with torchrun's."""
    program = [torch_python, "-m", "torch.distributed.run", "--nproc-per-node=2", "train.py"]
    source = TRAIN.replace("rank == 3", "rank == 1")
    made = job(source, strategy="single", python=torch_python, program=program).start()
    end = made.end(150)

    assert "mat1 and mat2 shapes cannot be multiplied (4x8 and 16x1)" in end["reason"]
    assert "ChildFailedError" not in made.replicas[0]["traceback"]
