"""Curves, comparisons, stacks and notices as text; what a job's own words may do to a terminal."""

from __future__ import annotations

from typing import Any

from dllab_hub.specs import (
    Cause,
    Code,
    CodeDiff,
    Comparison,
    Curve,
    Curves,
    Delivery,
    Diagnosis,
    Difference,
    DiffLine,
    Frame,
    JobState,
    NoticeSettings,
    Progress,
    ReplicaStatus,
    Stack,
    TrainingJob,
    TrainingSpec,
)
from dllab_hub.tables import (
    cause,
    comparison_text,
    curves_text,
    job_text,
    jobs_text,
    notices_text,
    stacks_text,
    why,
)

NOW = 1_000_000.0


def job(id: str = "digits-bcdfghj", **fields: Any) -> TrainingJob:
    return TrainingJob(
        **{
            "id": id,
            "owner": "ada",
            "spec": TrainingSpec(name="digits", image="here", code=Code(source="x")),
            "state": JobState.RUNNING,
            "created": NOW - 100,
            **fields,
        }
    )


def test_the_cause_comes_first() -> None:
    """Who failed first, why, what to do and the traceback stand above all else."""
    found = Diagnosis(
        cause=Cause.KILLED,
        message="worker-3 was killed by SIGKILL, likely out of memory: peak 23.4 of 24 GiB.",
        hint="Use a smaller batch.",
        replica="worker-3",
        traceback="Traceback ...\nMemoryError\n",
    )
    failed = job(state=JobState.FAILED, reason="worker-3 failed.", diagnosis=found)
    lines = job_text(failed, NOW).splitlines()

    assert f"digits-bcdfghj  FAILED: {found.message}" == lines[0]
    assert "  Use a smaller batch." == lines[1]
    assert ["", "worker-3:", "Traceback ...", "MemoryError", ""] == lines[2:7]
    assert why(failed).startswith("worker-3 was killed by SIGKILL")
    assert "worker-3 was killed by SIGKILL" in jobs_text([failed], NOW)


def test_progress_replicas_and_notes() -> None:
    """Rate, time that is left, what replicas use, stall, straggler, tags and notes are told."""
    replica = ReplicaStatus(
        role="worker", index=0, attempt=1, state=JobState.RUNNING, step=120, rate=2.5,
        straggler=True, cpu=1.02, memory=3 * 2**30, peak_memory=4 * 2**30,
    )  # fmt: skip
    said = job_text(
        job(
            progress=Progress(step=120, total=300, time=NOW, rate=2.5, eta=72.0),
            replicas=(replica,),
            silent_since=NOW - 1900,
            tags=("baseline", "lr/0.1"),
            notes="one\ntwo",
            favourite=True,
            files=False,
            gpu_seconds=5400.0,
        ),
        NOW,
    )
    for part in (
        "step 120 of 300, 2.5 steps/s, 1 min left",
        "1.5 GPU-hours",
        "Nothing was heard of it for 31 min.",
        "Slower than the others: worker-0.",
        "worker-0  RUNNING  slow  step 120, 2.5 steps/s  1 CPUs  3.0 GiB (peak 4.0 GiB)",
        "tags: baseline, lr/0.1",
        "  favourite",
        "  notes: one\n         two",
        "its files were removed",
    ):
        assert part in said, said


def test_a_silence_is_told_once() -> None:
    """The diagnosis says it already."""
    said = "Nothing was heard of the job for 31 min: worker-0 is at train.py line 4."
    found = Diagnosis(cause=Cause.STALLED, message=said)

    assert [said] == cause(job(silent_since=NOW - 1900, diagnosis=found), NOW)


def test_a_job_gives_a_terminal_no_orders() -> None:
    """What a job or a person wrote is text: no colours, titles, cursor movements, other lines."""
    evil = "\x1b]0;title\x07\x1b[2Jred\x1b[0m\nFAKE-bcdfghj  SUCCEEDED\r"
    seen = job(state=JobState.FAILED, reason=evil, notes=evil)

    for said in (job_text(seen, NOW), jobs_text([seen], NOW)):
        assert not {"\x1b", "\x07", "\r"} & set(said)
    assert 2 == len(jobs_text([seen], NOW).splitlines())


def test_columns_that_nobody_needs_are_left_out() -> None:
    """Tags and reasons are in the list when a job has some."""
    assert "TAGS" not in jobs_text([job()], NOW)
    assert "REASON" not in jobs_text([job(state=JobState.SUCCEEDED, reason="all ended.")], NOW)
    assert "TAGS" in jobs_text([job(tags=("a",)), job()], NOW)


def test_curves() -> None:
    """A line each: first, last, lowest and highest; a NaN is said, and what could not be read."""
    times = (1.0, 2.0, 3.0)
    loss = Curve(
        name="loss", source="report", steps=(1, 2, 3), times=times, values=(2.0, 0.5, None)
    )
    memory = Curve(
        name="memory", source="usage", replica="worker-0", times=times,
        values=(1.0, 2.0**30, 2.0**30),
    )  # fmt: skip
    lines = curves_text(Curves(curves=(loss, memory), read=0.25, notes=("a.1 is torn.",)))

    assert ["loss", "-", "3", "2", "nan", "0.5", "2"] == lines.splitlines()[1].split()
    assert "memory  worker-0  3       1 B    1.0 GiB  1 B     1.0 GiB" in lines
    assert "25% of the event files has been read so far" in lines
    assert lines.endswith("a.1 is torn.")
    assert "no curves yet" == curves_text(Curves())


def test_a_comparison() -> None:
    """Fields by part, then lines of code with their numbers; equal jobs are said to be."""
    ids = ("digits-bcdfghj", "digits-xxxxxxx")
    jobs = tuple(job(id) for id in ids)
    code = CodeDiff(
        job=ids[1],
        path="code",
        lines=(
            DiffLine(kind="same", left=1, before="import torch", right=1, after="import torch"),
            DiffLine(kind="changed", left=2, before="lr = 1", right=2, after="lr = 2"),
            DiffLine(kind="skipped", before="12"),
        ),
        more=3,
    )
    other = CodeDiff(job=ids[1], path="data.bin", binary=True)
    said = comparison_text(
        Comparison(
            jobs=jobs,
            differences=(Difference(part="spec", field="max_restarts", values=("3", None)),),
            code=(code, other),
        )
    )
    lines = [" ".join(line.split()) for line in said.splitlines()]

    assert "SPEC digits-bcdfghj digits-xxxxxxx" == lines[0]
    assert "max_restarts 3 -" == lines[1]
    for line in (
        "code: - digits-bcdfghj, + digits-xxxxxxx",
        "1 import torch",
        "- 2 lr = 1",
        "+ 2 lr = 2",
        "... 12 lines are the same",
        "... 3 more lines",
        "data.bin of digits-xxxxxxx differs from that of digits-bcdfghj",
    ):
        assert line in lines
    assert "digits-bcdfghj and digits-xxxxxxx are the same." == comparison_text(
        Comparison(jobs=jobs)
    )


def test_stacks() -> None:
    """Innermost first; what could not be read says why."""
    said = stacks_text(
        (
            Stack(
                replica="worker-0", pid=7, waits=True,
                frames=(Frame(function="all_reduce", file="torch/distributed.py", line=3),),
            ),
            Stack(replica="worker-1", pid=8, error="not permitted."),
        )
    )  # fmt: skip
    assert (
        "worker-0 (pid 7), waits for others\n  torch/distributed.py:3 all_reduce\n"
        "worker-1 (pid 8)\n  not permitted."
    ) == said
    assert "it does not run now" == stacks_text(())


def test_notices() -> None:
    """What is set and what was sent of late; a secret only when it was just made."""
    sent = Delivery(
        time=NOW - 90, kind="test", by="webhook", state="failed", message="it said 500."
    )
    said = notices_text(
        NoticeSettings(webhook="https://h.example/x", has_secret=True, deliveries=(sent,)), NOW
    )
    assert "webhook: https://h.example/x (signed)" in said
    assert "e-mail: none (no mail server is set up)" in said
    assert "1 min ago  -    test   webhook  failed  it said 500." in said
    assert "secret" not in said
    assert "secret, shown only now: s3" in notices_text(NoticeSettings(secret="s3"), NOW)
