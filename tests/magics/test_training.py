"""Magics about training and the machine."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import nbformat
import pytest
from notebooks import Notebook
from served import Host

import dllab_hub
from dllab_hub.specs import JobState, TrainingJob
from dllab_hub.submission import filename_for


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%%train --workers two", ["--workers", "from 1 to 1024", "'two'"]),
        ("%%train --workers 0", ["--workers", "from 1 to 1024"]),
        ("%%train --workers -3", ["--workers", "from 1 to 1024"]),
        ("%%train --workers 1000000", ["--workers", "from 1 to 1024"]),
        ("%%train --workers", ["--workers", "expected one argument"]),
        ("%%train --workers 2.0", ["--workers", "whole number"]),
        ("%%train --worker 2", ["no option --worker", "Did you mean --workers?"]),
        ("%%train --work=2", ["no option --work", "Did you mean --workers?"]),
        ("%%train --frobnicate 3", ["no option --frobnicate", "--checkpoint-every"]),
        ("%%train --gpus 65", ["--gpus", "from 0 to 64"]),
        ("%%train --gpus -1", ["--gpus", "from 0 to 64"]),
        ("%%train --strategy ring", ["--strategy", "allreduce"]),
        ("%%train --name Bad_Name", ["--name", "lower-case"]),
        ("%%train --name ../../x", ["--name", "lower-case"]),
        ("%%train --image PyTorch", ["--image", "lower-case"]),
        ("%%train --checkpoint-every 0", ["--checkpoint-every", "from 1"]),
        ("%%train --max-restarts 1000", ["--max-restarts", "from 0 to 100"]),
        ("%%train --env A", ["--env", "'A'", "NAME=VALUE"]),
        ("%%train --env =1", ["--env", "NAME=VALUE"]),
        ("%%train --env RANK=1", ["--env RANK", "set by the lab itself"]),
        ("%%train --env DLLAB_JOB_ID=1", ["--env DLLAB_JOB_ID", "set by the lab itself"]),
        ("%%train --with missing.csv", ["missing.csv does not exist"]),
        ("%%train --with /etc/passwd", ["outside the working directory"]),
        ("%%train --with .", ["names no file"]),
        ("%%train --with a**b", ["is no pattern"]),
        ("%%train lr=1", ["lr=1"[:2], "come after --"]),
        ("%%train --name 'x", ["No closing quotation"]),
    ],
)
def test_a_wrong_line_is_one_line(outside: Notebook, line: str, words: list[str]) -> None:
    """A wrong option is named with its fix within a second, and nothing is asked of any server."""
    began = time.monotonic()
    said = outside.run(f"{line}\nprint('x')\n")

    assert time.monotonic() - began < 1
    assert not outside.ok
    assert len(said.splitlines()) == 1
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%jobs -n 0", ["-n", "from 1 to 500"]),
        ("%jobs everything", ["everything"]),
        ("%jobs --al", ["no option --al", "--all"]),
        ("%logs -n many", ["-n", "'many'"]),
        ("%logs --attempt 0", ["--attempt", "from 1"]),
        ("%logs -f --attempt 2", ["-f shows all attempts"]),
        ("%cancel a b", ["b is one word too many"]),
        ("%cancel", ["which job?", "%jobs"]),
        ("%gpus 0", ["0 is one word too many"]),
        ("%job --id x", ["no option --id"]),
    ],
)
def test_wrong_line_magics(outside: Notebook, line: str, words: list[str]) -> None:
    """The line magics are as plain about what they do not understand."""
    said = outside.run(line)

    assert not outside.ok
    assert len(said.splitlines()) == 1
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("x = 1\n\ndef f(:\n    pass\n", ["line 3:", "Nothing was started"]),
        ("if True:\nx = 1\n", ["line 2:", "indented block"]),
        ("x = (\n", ["line 1:", "never closed"]),
        ("return 3\n", ["line 1:", "outside function"]),
        ("x = await f()\n", ["line 1:", "outside function"]),
        ("x = 1\n!ls -l\n", ["line 2: '!ls -l'", "notebook only", "cell of its own"]),
        ("x = 1\nfiles = !ls\n", ["line 2: 'files = !ls'"]),
        ("%matplotlib inline\nimport os\n", ["line 1: '%matplotlib inline'"]),
        ("if True:\n    %time f()\n", ["line 2: '%time f()'"]),
        ("%%bash\nls\n", ["line 1: '%%bash'"]),
        ("def f():\n        a = 1\n    return a\n", ["line 3:", "unindent"]),
        ("import os\nos.path?\n", ["line 2: 'os.path?'"]),
        ("text = '''\n!not a command\n'''\ny = (\n", ["line 4:", "never closed"]),
        ("   \n", ["no code"]),
    ],
)
def test_a_wrong_cell_starts_nothing(outside: Notebook, cell: str, words: list[str]) -> None:
    """What cannot run as a script is refused with its line in the cell, before anything starts."""
    said = outside.run(f"%%train --workers 2\n{cell}")

    assert not outside.ok
    assert len(said.splitlines()) == 1
    for word in words:
        assert word in said


def test_text_that_looks_like_magic_is_fine(notebook: Notebook) -> None:
    """A line that begins like a magic inside of a string is Python."""
    notebook.run("%%train\ntext = '''\n!ls\n%time\n'''\n")

    assert notebook.ok


def test_no_server(outside: Notebook) -> None:
    """A service that is not there is one line, too."""
    said = outside.run("%jobs")

    assert not outside.ok
    assert len(said.splitlines()) == 1


def test_no_lab(outside: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a lab around the message says what to do."""
    monkeypatch.delenv("DLLAB_API_URL")
    said = outside.run("%jobs")

    assert not outside.ok
    assert "DLLAB_API_URL" in said


def test_the_cell_travels_with_its_modules(
    notebook: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options, arguments, environment, imported modules and named files are all in the spec."""
    (tmp_path / "helpers.py").write_text("X = 1\n")
    (tmp_path / "conf.yaml").write_text("lr: 0.1\n")
    notebook.run(
        "%%train --name mine --image here --workers 2 --checkpoint-every 5 --max-restarts 1 "
        "--env A=1 B='two words' --with conf.yaml -- --lr 0.1 --name other\n"
        "import helpers\nprint(helpers.X)\n"
    )
    spec = notebook.job.info.spec

    assert notebook.ok
    assert notebook.job.id.startswith("mine-")
    assert spec.code.source == "import helpers\nprint(helpers.X)\n"
    assert spec.code.filename == "mine.py"
    assert spec.code.args == ("--lr", "0.1", "--name", "other")
    assert spec.code.files == {"helpers.py": "X = 1\n", "conf.yaml": "lr: 0.1\n"}
    assert spec.env == {"A": "1", "B": "two words"}
    assert (spec.replicas, spec.checkpoint_every, spec.max_restarts) == (2, 5, 1)


def test_defaults(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without options: one worker, no GPU, the lab's image, else the catalog's."""
    notebook.run("%%train\nprint(1)\n")
    spec = notebook.job.info.spec
    assert (spec.name, spec.image, spec.replicas, spec.gpus) == ("train", "here", 1, 0)

    monkeypatch.setenv("DLLAB_IMAGE", "missing")
    said = notebook.run("%%train\nprint(1)\n")
    assert "--image: there is no such image. Choose one of: here." in said


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("digits", "digits.py"),
        ("random", "random-cell.py"),
        ("httpx", "httpx-cell.py"),
        ("my-run", "my-run.py"),
    ],
)
def test_a_name_hides_no_module(name: str, expected: str) -> None:
    """The script's file never stands before a module of the same name."""
    assert filename_for(name) == expected


def test_the_view_is_text_that_names_the_job(notebook: Notebook) -> None:
    """The result of ``%%train`` reads well where nothing shows widgets."""
    said = notebook.run("%%train --name mine --workers 2\nprint(1)\n")

    assert notebook.job.id in said
    assert "RUNNING" in said
    assert ["text/plain"] == list(notebook.result._repr_mimebundle_())


def test_jobs_and_prefixes(notebook: Notebook) -> None:
    """A job is found by its id, by the start of it, or as the last one submitted here."""
    notebook.run("%%train --name first\nprint(1)\n")
    first = notebook.job.id
    notebook.run("%%train --name second\nprint(1)\n")
    second = notebook.job.id

    listed = notebook.run("%jobs")
    assert listed.index(second) < listed.index(first)
    assert len(notebook.run("%jobs -n 1").splitlines()) == 2
    assert notebook.run(f"%job {first}").startswith(first)
    assert notebook.run("%job fir").startswith(first)
    assert notebook.run("%job").startswith(second)
    notebook.run("%%train --name first\nprint(1)\n")
    assert "2 jobs start with first" in notebook.run("%job first")
    assert "you have no job third" in notebook.run("%job third")


def test_logs(notebook: Notebook, lab: Host) -> None:
    """Logs are the last lines of all replicas, or of one; ``-f`` prints until the job ends."""
    notebook.run("%%train --workers 2\nprint(1)\n")
    id = notebook.job.id
    lab.backend.write_log(id, "worker-0", "a\nb\n")
    lab.backend.write_log(id, "worker-1", "c\n")

    assert notebook.run("%logs") == "[worker-0] a\n[worker-0] b\n[worker-1] c"
    assert notebook.run(f"%logs {id} --replica worker-0 -n 1") == "b"
    assert "worker-0, worker-1" in notebook.run("%logs --replica worker-7")
    lab.backend.finish(id)
    assert "[worker-1] c" in notebook.run("%logs -f")
    assert notebook.ok


def test_cancel(notebook: Notebook) -> None:
    """Cancel says what it did, and what it found when the job had ended already."""
    notebook.run("%%train\nprint(1)\n")
    id = notebook.job.id

    assert notebook.run("%cancel") == f"{id} is being cancelled."
    assert notebook.job.state is JobState.CANCELLED
    assert notebook.run(f"%cancel {id}") == f"{id} had ended already: CANCELLED."


def test_one_thread_for_each_thing_shown(notebook: Notebook) -> None:
    """Showing a job again and again keeps one cell fresh, not all of them."""

    def polling() -> list[str]:
        return sorted(t.name for t in threading.enumerate() if t.name.startswith("dllab "))

    notebook.run("%%train\nprint(1)\n")
    for _ in range(4):
        for line in ("%job", "%logs"):
            notebook.run(line)
            assert notebook.result.widget is not None  # As a front end asks for it: live from now.
    deadline = time.monotonic() + 10
    while len(polling()) > 2 and time.monotonic() < deadline:
        time.sleep(0.1)

    assert ["dllab JobView", "dllab LogView"] == polling()


def test_gpus(notebook: Notebook) -> None:
    """A machine without a GPU is a sentence, not an error."""
    said = notebook.run("%gpus")

    assert notebook.ok
    assert "GPU" in said


def test_the_handle(notebook: Notebook, lab: Host) -> None:
    """``_job`` in later cells: state, checkpoint, logs, waiting."""
    notebook.run("%%train --workers 2\nprint(1)\n")
    id = notebook.job.id
    assert notebook.run("_job.checkpoint is None") == "True"
    lab.backend.save_checkpoint(id, 40)
    lab.backend.write_log(id, "worker-0", "hello\n")
    lab.backend.report(id, 41, 100)

    assert notebook.run("_job.checkpoint.step") == "40"
    assert notebook.run("print(_job.logs(), end='')") == "[worker-0] hello"
    assert notebook.run("len(_job.checkpoints()), len(_job.replicas)") == "(1, 2)"
    said = notebook.run("_job.wait(0.1)")
    assert f"TimeoutError: {id} is RUNNING after 0.1 s" in said
    lab.backend.finish(id)
    said = notebook.run("_job.wait()")
    assert f"{id}: SUCCEEDED, step 41 of 100, checkpoint step 40" in said
    assert isinstance(notebook.job.info, TrainingJob)


def test_train_and_wait(notebook: Notebook, lab: Host) -> None:
    """``--wait`` returns when the job has ended."""
    lab.end_new_jobs_after(0.3)
    said = notebook.run("%%train --name short --wait\nprint(1)\n")

    assert notebook.ok
    assert "SUCCEEDED" in said
    assert notebook.job.info.state is JobState.SUCCEEDED


def test_help(outside: Notebook) -> None:
    """``--help`` prints the options and submits nothing."""
    said = outside.run("%%train --help\nprint(1)\n")

    assert outside.ok
    assert "--checkpoint-every N" in said


def test_the_welcome_notebook(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notebook that greets people is clean, has the tour's cells, and its job can be sent."""
    monkeypatch.setenv("DLLAB_IMAGE", "here")
    welcome = json.loads((Path(dllab_hub.__file__).parent / "notebooks/welcome.ipynb").read_text())
    nbformat.validate(welcome)
    code = [cell for cell in welcome["cells"] if cell["cell_type"] == "code"]
    tags = [tag for cell in code for tag in cell["metadata"].get("tags", [])]
    assert tags == [
        f"tour:{step}"
        for step in ("load", "train", "crash", "wait", "predict", "deploy", "serve", "ask")
    ]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)

    (train,) = [cell for cell in code if "tour:train" in cell["metadata"].get("tags", [])]
    notebook.run("".join(train["source"]))
    spec = notebook.job.info.spec
    assert (spec.name, spec.replicas, spec.checkpoint_every) == ("digits", 2, 20)
    assert spec.code.args == ("--pace", "0.06")
