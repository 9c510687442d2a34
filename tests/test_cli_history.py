"""The commands about what is kept of jobs, as a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from served import Host, lab_host

from dllab_hub.specs import Curve, JobState

_Dllab = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def lab() -> Iterator[Host]:
    """A lab without processes."""
    with lab_host() as host:
        yield host


@pytest.fixture
def dllab(tmp_path: Path, lab: Host) -> _Dllab:
    """Run the command in an empty directory, in a terminal of a lab."""

    def run(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dllab_hub.cli", *words],
            input=said,
            cwd=tmp_path,
            env={**os.environ, "DLLAB_API_URL": lab.url, "DLLAB_API_TOKEN": lab.token},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def id(dllab: _Dllab, lab: Host, tmp_path: Path) -> str:
    """Of a job that has failed."""
    (tmp_path / "train.py").write_text("print('hi')\n")
    words = ("--name", "digits", "--tag", "baseline", "--stall-after", "2m", "--json")
    job = json.loads(dllab("submit", "train.py", *words).stdout)
    assert (120, ["baseline"]) == (job["spec"]["stall_after"], job["tags"])
    lab.backend.write_log(job["id"], "worker-0", "one\n\x1b[31mTWO\x1b[0m\n10%\r99%\n")
    loss = Curve(name="loss", source="report", steps=(1, 2), times=(1.0, 2.0), values=(3.0, 1.0))
    lab.backend.draw(job["id"], loss)
    lab.backend.finish(job["id"], JobState.FAILED, "worker-0 returned 3.", exit_code=3)
    return str(job["id"])


def test_one_job(dllab: _Dllab, id: str) -> None:
    """State, curves, stacks, cell, and as JSON the record."""
    said = dllab("job", id).stdout
    assert f"{id}  FAILED: worker-0 returned 3." in said
    assert "loss" in said
    assert dllab("job").stdout == said
    assert dllab("job", id[:4], "--cell").stdout.startswith("%%train --name digits --image here")
    assert "it does not run now" in dllab("job", id, "--stacks").stdout
    assert json.loads(dllab("job", id, "--json").stdout)["job"]["id"] == id


def test_lists_that_are_looked_for(dllab: _Dllab, id: str) -> None:
    """What the options ask for; what they get wrong is exit code 2."""
    assert id in dllab("jobs", "--tag", "baseline", "--state", "failed", "--since", "1d").stdout
    assert "worker-0 returned 3." in dllab("jobs").stdout
    assert "no such jobs\n" == dllab("jobs", "--favourite").stdout
    assert 2 == dllab("jobs", "--state", "over").returncode
    assert 2 == dllab("jobs", "--since", "yesterday").returncode


def test_logs_are_searched_and_inert(dllab: _Dllab, id: str) -> None:
    """Lines with their offsets; 1 when there is none. A terminal gets no orders unless asked."""
    assert "]0;" not in dllab("logs", id).stdout
    assert "\x1b" not in dllab("logs", id).stdout
    assert "\x1b[31mTWO" in dllab("logs", id, "--raw").stdout
    found = dllab("logs", id, "--search", "two")
    assert (0, True) == (found.returncode, "TWO" in found.stdout)
    assert "\x1b" not in found.stdout
    assert 1 == dllab("logs", id, "--search", "nothing").returncode
    assert 2 == dllab("logs", id, "--search", "x", "-f").returncode


def test_export_and_import(dllab: _Dllab, id: str, tmp_path: Path) -> None:
    """A record a line comes back after the job was removed; a line that is none is named."""
    lines = dllab("export", "--tag", "baseline")
    assert (1, "1 job\n") == (len(lines.stdout.splitlines()), lines.stderr)
    assert "" == dllab("export", "--tag", "other").stdout

    kept = tmp_path / "jobs.jsonl"
    kept.write_text(f"{lines.stdout}\n")
    assert "0 added; 1 were there already\n" == dllab("import", "jobs.jsonl").stdout
    assert 2 == dllab("rm", id).returncode  # Nobody can be asked.
    assert f"{id} is gone\n" == dllab("rm", id, "--yes").stdout
    assert 1 == dllab("job", id).returncode
    assert "1 added\n" == dllab("import", "-", said=lines.stdout).stdout
    assert f"{id}  FAILED" in dllab("job", id).stdout

    for bad in ("{", "[]", '{"job": 1}', "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass")):
        kept.write_bytes(b"\n" + (bad.encode() if isinstance(bad, str) else bad))
        said = dllab("import", "jobs.jsonl")
        assert (2, 1) == (said.returncode, len(said.stderr.splitlines()))
        assert "line 2 of jobs.jsonl" in said.stderr
    assert 2 == dllab("import", "missing.jsonl").returncode
    assert 2 == dllab("import", ".").returncode


def test_notes_and_files(dllab: _Dllab, id: str) -> None:
    """Tags are added, files go and the record stays."""
    assert (
        "tags: baseline, good; favourite"
        in dllab("note", id, "--tag", "good", "--favourite").stdout
    )
    assert "its files are gone" in dllab("rm", id, "--files", "--yes").stdout
    assert "its files were removed" in dllab("job", id).stdout
    assert 2 == dllab("note", id).returncode


def test_compare(dllab: _Dllab, id: str) -> None:
    """What differs between a job and its second run."""
    again = json.loads(dllab("rerun", id, "--max-restarts", "0", "--json").stdout)["id"]
    said = dllab("compare", id, again).stdout
    assert "max_restarts" in said
    assert {"jobs", "differences", "code", "curves"} == set(
        json.loads(dllab("compare", id, again, "--json").stdout)
    )
    assert 2 == dllab("compare", id).returncode


def test_notices(dllab: _Dllab) -> None:
    """What is typed is set, the rest stays; a secret is shown once."""
    assert "webhook: none" in dllab("notices").stdout
    first = dllab("notices", "--webhook", "https://hooks.example.org/x", "--on", "failed").stdout
    assert "webhook: https://hooks.example.org/x (signed)" in first
    assert "secret, shown only now: " in first
    then = dllab("notices", "--email", "ada@example.org").stdout
    assert "https://hooks.example.org/x" in then
    assert "e-mail: ada@example.org" in then
    assert "on: failed" in then
    assert "secret" not in then
    assert "sent" in dllab("notices", "--test").stdout
    assert "webhook: none" in dllab("notices", "--webhook", "none").stdout


def test_a_test_of_two_ways(dllab: _Dllab, lab: Host) -> None:
    """The exit code of a test says whether all that is set works, whichever was tried last."""
    address = ("--webhook", "https://hooks.example.org/x", "--email", "ada@example.org")
    codes = []
    for broken in ({"webhook"}, {"email"}, set()):
        lab.backend.notices.broken = broken
        codes.append(dllab("notices", *address, "--test").returncode)
    only = dllab("notices", "--webhook", "none", "--email", "ada@example.org", "--test")

    assert ([1, 1, 0], 0) == (codes, only.returncode)
