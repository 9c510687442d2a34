"""``%pause``, ``%resume``, ``%rerun`` and ``--check``."""

from __future__ import annotations

import pytest
from notebooks import Notebook
from served import Host

from dllab_hub.specs import Finding, JobState, Role


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%pause", ["which job?", "%pause ID", "%jobs"]),
        ("%resume", ["which job?", "%resume ID"]),
        ("%pause a b", ["b is one word too many"]),
        ("%resume --now", ["no option --now"]),
        ("%rerun --module x", ["no option --module"]),
        ("%rerun --worker 2", ["Did you mean --workers?"]),
        ("%train", ["what runs?", "SCRIPT"]),
        ("%train missing.py", ["missing.py cannot be read"]),
        ("%train --workers 0", ["--workers", "from 1 to 1024"]),
    ],
)
def test_a_wrong_line_is_one_line(outside: Notebook, line: str, words: list[str]) -> None:
    """What is not understood is one line, and nothing is asked of any server."""
    said = outside.run(line)

    assert not outside.ok
    assert len(said.splitlines()) == 1
    for word in words:
        assert word in said


def test_a_pause_says_what_it_loses(notebook: Notebook, lab: Host) -> None:
    """A job that has saved just now is paused at once; ``%resume`` queues it again."""
    notebook.run("%%train --name mine\nprint(1)\n")
    id = notebook.job.id
    lab.backend.save_checkpoint(id, 12400)
    said = notebook.run("%pause")

    assert notebook.ok
    assert said.startswith(f"{id} is being paused; last checkpoint: step 12 400, ")
    assert "unless the code saves on SIGTERM. %resume goes on." in said
    # The handle says how it is now, not how it was when it was submitted.
    assert f"{id}  PAUSED" in notebook.run("_job")
    assert f"{id} had been paused already. %resume goes on." == notebook.run("%pause")
    assert f"{id}  RUNNING" in notebook.run("%resume mine")
    assert "attempt 2" in notebook.run("%job")
    assert f"{id} was not resumed; it is RUNNING." in notebook.run("%resume")


def test_much_work_is_asked_for_twice(
    notebook: Notebook, lab: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When more than a minute may be lost the line says so, and the job goes on without ``-y``."""
    clock = lab.backend._clock
    monkeypatch.setattr(lab.backend, "_clock", lambda: clock() - 7200)
    notebook.run("%%train\nprint(1)\n")
    id = notebook.job.id
    said = notebook.run("%pause")
    assert not notebook.ok
    assert (
        f"{id} goes on; nothing was saved yet: after a pause it starts over, unless the code "
        f"saves on SIGTERM. Pause it all the same: %pause {id} -y"
    ) == said
    assert JobState.RUNNING is notebook.job.state

    lab.backend.save_checkpoint(id, 10)
    assert "last checkpoint: step 10, 2 h 0 min ago: pausing now loses up to 2 h" in notebook.run(
        "%pause"
    )
    assert notebook.run(f"%pause {id} -y").startswith(f"{id} is being paused; last checkpoint")
    assert JobState.PAUSED is notebook.job.state


def test_a_pause_of_nothing(notebook: Notebook, lab: Host) -> None:
    """What has ended is not paused, and what has succeeded is not resumed: one line each."""
    notebook.run("%%train\nprint(1)\n")
    lab.backend.finish(notebook.job.id)

    for line, word in (("%pause", "has ended: SUCCEEDED"), ("%resume", "rerun")):
        said = notebook.run(line)
        assert not notebook.ok
        assert len(said.splitlines()) == 1
        assert word in said


def test_a_failed_job_goes_on(notebook: Notebook, lab: Host) -> None:
    """``_job`` sees that a job that had ended runs again."""
    notebook.run("%%train\nprint(1)\n")
    lab.backend.finish(notebook.job.id, JobState.FAILED)
    assert JobState.FAILED is notebook.job.state
    notebook.run("%resume")

    assert JobState.RUNNING is notebook.job.state


def test_rerun_with_one_change(notebook: Notebook) -> None:
    """What was typed is new, all else is as it was; the new job is ``_job``."""
    notebook.run(
        "%%train --name mine --workers 2 --time-limit 2h --env A=1 -- --lr 0.1\nprint(1)\n"
    )
    old = notebook.job
    assert "RUNNING" in notebook.run("%rerun --workers 4 --env B=2")
    new = notebook.job
    assert old.id != new.id
    assert old.info.spec.model_copy(
        update={"roles": (Role(replicas=4),), "env": {"A": "1", "B": "2"}}
    ) == (new.info.spec)

    notebook.run(f"%rerun {old.id} --time-limit none -- --lr 0.2")
    spec = notebook.job.info.spec
    assert (2, None, ("--lr", "0.2")) == (spec.replicas, spec.time_limit, spec.code.args)
    said = notebook.run(f"%rerun {old.id} --workers 17")
    assert "--workers: a job may have 16 replicas at most." in said
    said = notebook.run(f"%rerun {old.id} --ps 17")
    assert "--ps: a job may have 16 replicas at most." in said


def test_the_handle_does_it_too(notebook: Notebook, lab: Host) -> None:
    """``_job.loss``, ``.pause()``, ``.resume()`` and ``.rerun(workers=4)``."""
    notebook.run("%%train --workers 2\nprint(1)\n")
    id = notebook.job.id
    assert "nothing was saved yet" in notebook.run("print(_job.loss)")
    assert f"{id}  PAUSED" in notebook.run("_job.pause()")
    assert "nothing is lost" in notebook.run("print(_job.loss)")
    assert f"{id}  RUNNING" in notebook.run("_job.resume()")
    notebook.run("again = _job.rerun(workers=3, time_limit='1h')")
    again = notebook.shell.user_ns["again"]
    assert (True, 3, 3600) == (
        again.id != id,
        again.info.spec.replicas,
        lab.backend._records[again.id].job.spec.time_limit,
    )


def test_only_a_check(notebook: Notebook, lab: Host) -> None:
    """``--check`` prints what was found; an error fails the cell; no job comes into being."""
    said = notebook.run("%%train --check\nprint(1)\n")
    assert notebook.ok
    assert "nothing was found that would make it fail (0.0 s)." == said.splitlines()[0]
    assert "no GPU; starts at once." == said.splitlines()[1]

    lab.backend.findings = (
        Finding(check="paths", severity="warning", message="data is not there.", file="train.py"),
        Finding(
            check="imports",
            severity="error",
            message="there is no module nothing.",
            hint="Install it.",
            file="train.py",
            line=2,
        ),
    )
    said = notebook.run("%%train --check\nprint(1)\nimport nothing\n")
    assert not notebook.ok
    assert [
        "error: train.py, line 2: there is no module nothing. Install it.",
        "warning: train.py: data is not there.",
        "it would fail. Nothing was started.",
    ] == said.splitlines()
    assert {} == lab.backend._records
