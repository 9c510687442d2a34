"""Jobs as they are submitted, and what their code should not do: a real service, real processes."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import StubHub, until
from service_process import starting, up

from dllab_hub.client import Client
from dllab_hub.errors import InvalidRequest, NotFound
from dllab_hub.images import find
from dllab_hub.job import Job
from dllab_hub.shim.ports import free_port
from dllab_hub.specs import Code, JobState, Role, TrainingJob, TrainingSpec
from dllab_hub.state import StateDir
from dllab_hub.submission import Program, Submission, Words, add_options, prepare, with_shared

#: Saves whole checkpoints in a directory whose name only begins like its own, and leads there and
#: to /etc by links; has pipes where files of a checkpoint are; ends in no success.
TRICKS = """
import os, pathlib, shutil, sys
from dllab_hub.runtime.checkpoint import Checkpointer

own = pathlib.Path(os.environ["DLLAB_CHECKPOINT_DIR"])
beside = own.with_name(own.name + "-evil")

def saver(dir):
    def save(path):
        pathlib.Path(path).write_text("state")
    return Checkpointer(every=1, dir=dir, keep=9, save=save, load=print)

saver(beside).step(9)
saver(own).step(5)
(real,) = [path for path in own.iterdir() if path.is_dir()]
for step in (6, 7, 8):
    at = own / real.name.replace("5", str(step))
    if step == 6:
        at.symlink_to("/etc")
    elif step == 7:
        shutil.copytree(real, at)
        for file in [path for path in at.rglob("*") if path.is_file()]:
            file.unlink()
            os.mkfifo(file)
    else:
        at.symlink_to(next(path for path in beside.iterdir() if path.is_dir()))
print("ready", flush=True)
sys.exit(3)
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> StateDir:
    """Of a lab service with one image, which has what the Python has that runs this test."""
    home = tmp_path_factory.mktemp("real")
    state = StateDir(home / "state", home / "state" / "envs")
    (image,) = [env for env in find(state) if env.image.name == "base"]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(image.path)], check=True)
    [site] = image.path.glob("lib/python*/site-packages")
    ours = sysconfig.get_path("purelib")
    (site / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    (image.path / ".complete").write_text("{}")
    return state


@pytest.fixture(scope="module")
def lab(state: StateDir, a_hub: StubHub) -> Iterator[Client]:
    """Ada's, of the lab service."""
    home, port = state.root.parent, free_port()
    client = Client(f"http://127.0.0.1:{port}/services/dllab/dllab/api/", "ada-token")
    with starting(home, home / "log", port, a_hub) as start:
        up(client, start())
        yield client
    client.close()


def wish(code: Code, **more: object) -> TrainingSpec:
    return TrainingSpec(**{"name": "tricks", "image": "base", "max_restarts": 0, **more}, code=code)


def ended(lab: Client, spec: TrainingSpec) -> TrainingJob:
    return lab.wait(lab.submit(spec).id, 60)


def test_checkpoints_that_lead_astray(lab: Client) -> None:
    """A link to /etc, a link to a directory beside its own, and pipes are no checkpoints; they are
    asked about at once, and whoever goes on from the job gets the one that is whole.
    """
    job = ended(lab, wish(Code(source=TRICKS)))
    assert "ready" in lab.logs(job.id).text
    began = time.monotonic()
    seen = lab.checkpoints(job.id)
    took = time.monotonic() - began
    assert [5] == [checkpoint.step for checkpoint in seen]
    assert took < 5  # For ever, were a pipe read; the machine may be busy.

    copied = ended(lab, wish(Code(source="print('hello')"), checkpoint_from=job.id))
    assert JobState.SUCCEEDED is copied.state
    assert [5] == [checkpoint.step for checkpoint in lab.checkpoints(copied.id)]
    assert not list(Path(copied.workspace).parent.rglob("passwd"))


def test_words_are_words(lab: Client) -> None:
    """No shell reads the words of a command, of a script's arguments or of a role's command."""
    words = ("; touch a", "$(touch b)", "`touch c`", "| tee d", "> e", "*", "'", "~")
    printed = "import sys; print(sys.argv[1:])"
    for spec in (
        wish(Code(kind="command", args=("python", "-c", printed, *words))),
        wish(Code(source=printed, args=words)),
        wish(
            Code(source="raise SystemExit(1)"),
            strategy="custom",
            roles=(Role(name="one", command=("python", "-c", printed, *words)),),
        ),
    ):
        job = ended(lab, spec)
        assert (JobState.SUCCEEDED, True) == (job.state, repr(list(words)) in lab.logs(job.id).text)
        left = {path.name for path in Path(job.workspace).iterdir()}
        assert set() == left & {"a", "b", "c", "d", "e"}


def test_nothing_is_made_of_what_is_refused(lab: Client, state: StateDir) -> None:
    """A wish that is refused leaves no directory and no job."""

    def dirs() -> set[str]:
        return {path.name for path in state.root.rglob("*refused-*")}

    for bad in (
        {"workspace": "0" * 64},
        {"checkpoint_from": "nosuch-bcdfghj"},
        {"roles": (Role(replicas=1000),)},
        {"roles": (Role(gpus=1),)},
        {"roles": (Role(cpus=1000.0),)},
        {"lab": "../../etc"},
    ):
        began = time.monotonic()
        with pytest.raises((InvalidRequest, NotFound)) as caught:
            lab.submit(wish(Code(source="print()"), name="refused", **bad))
        assert caught.value.field.split(".")[0] in bad
        assert time.monotonic() - began < 5
    with pytest.raises(InvalidRequest) as caught:
        lab.submit(wish(Code(source="x = 1\n\nfrom . import (\n"), name="refused"))
    assert 3 == caught.value.line

    assert set() == dirs()
    kept = lab.submit(wish(Code(source="print()")))
    assert list(state.root.rglob(f"*{kept.id}*"))  # That is where to look.
    assert [] == [job.id for job in lab.list().jobs if job.spec.name == "refused"]


CELL = """
import os, sys
from pkg.model import WIDTH

print("width", WIDTH, "of", _SECRET, open("conf.txt").read(), sys.argv[1:], flush=True)
print(sorted(os.listdir(".")), flush=True)
"""

SAVES = """
import os, pathlib, time
from dllab_hub.runtime.checkpoint import Checkpointer

done = {"step": 0}
state = Checkpointer(
    every=10**6,
    save=lambda path: pathlib.Path(path).write_text(str(done["step"])),
    load=lambda path: print("loaded", pathlib.Path(path).read_text(), flush=True),
)
first = state.restore() + 1
print("from", first, flush=True)
for step in range(first, first + 1000):
    done["step"] = step
    time.sleep(0.01)
    state.step(step)
    if first > 1:
        break
"""


def submission(words: list[str], program: Program, here: Path, lab: Client) -> Submission:
    """As ``%%train`` makes it."""
    parser = Words()
    add_options(parser)
    options = parser.read(["--image", "base", "--max-restarts", "0", *words])
    return prepare(options, program, name="real", here=here, catalog=lab.catalog)


def test_a_project_with_marked_cells(lab: Client, tmp_path: Path) -> None:
    """All of the directory and the marked cells are there, what is ignored is not; a check finds
    nothing beforehand, and finds a module that is missing.
    """
    work = tmp_path / "work"
    (work / "pkg").mkdir(parents=True)
    for name, text in {
        ".dllabignore": "*.csv\n",
        "big.csv": "1",
        "conf.txt": "small",
        "pkg/__init__.py": "",
        "pkg/model.py": "WIDTH = 8\n",
    }.items():
        (work / name).write_text(text)
    cell = Program("script", "real", CELL, "real.py", args=("--lr", "1"))
    made = submission([], with_shared(cell, (("", "_SECRET = 7\n"),)), work, lab)
    assert None is made.check(lab).error
    job = lab.wait(made.send(lab).id, 60)
    printed = lab.logs(job.id).text
    assert (JobState.SUCCEEDED, True) == (job.state, "width 8 of 7 small ['--lr', '1']" in printed)
    assert "big.csv" not in printed
    assert "shared-1.py" in printed

    wrong = Program("script", "real", "x = 1\nimport nothing_like_this\n", "real.py")
    seen = submission([], wrong, work, lab).check(lab)
    error = seen.error
    assert error is not None, seen
    assert ("imports", "real.py", 2) == (error.check, error.file, error.line)


def test_a_pause_of_a_real_job(lab: Client, tmp_path: Path) -> None:
    """Code that saves on SIGTERM loses nothing; the next attempt goes on from there."""
    job = Job(lab, submission([], Program("script", "real", SAVES), tmp_path, lab).send(lab))
    until(lambda: "from 1" in job.logs(), 60)
    time.sleep(0.5)
    job.pause()
    until(lambda: job.state is JobState.PAUSED, 60)
    saved = job.checkpoint
    assert saved is not None
    assert saved.step > 1

    job.resume().wait(60, show=False)
    assert (JobState.SUCCEEDED, 2) == (job.info.state, job.info.attempt)
    assert f"loaded {saved.step}\n" in job.logs("worker-0", attempt=2)
    again = job.rerun(strategy="single", time_limit="1h")
    assert ("single", 3600) == (again.info.spec.strategy, again.info.spec.time_limit)
    again.cancel()
