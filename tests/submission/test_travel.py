"""What travels with a job, and what runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dllab_hub.errors import Conflict, InvalidRequest, TooLarge
from dllab_hub.specs import JobState, TrainingJob, TrainingSpec, Upload, Workspace
from dllab_hub.submission import Submission, in_words

Make = Callable[..., Submission]


def files(root: Path, **texts: str) -> None:
    """Write files; ``__`` is a slash and ``_dot_`` a dot."""
    for name, text in texts.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def package(root: Path, **modules: str) -> None:
    """A package ``pkg``."""
    (root / "pkg").mkdir()
    for name, text in modules.items():
        (root / "pkg" / f"{name}.py").write_text(text)


def paths(submission: Submission) -> list[str]:
    """Of the directory that travels."""
    assert submission.snapshot is not None
    return sorted(file.path for file in submission.snapshot.workspace.files)


def test_a_directory_that_is_no_project(made: Make, here: Path) -> None:
    """Only what the code imports travels, and nothing is said about it."""
    files(here, train_dot_py="import b\n", b_dot_py="", big_dot_csv="1")
    submission = made("train.py")

    assert {"b.py": ""} == submission.spec.code.files
    assert (None, None, "") == (submission.snapshot, submission.spec.workspace, submission.travels)


@pytest.mark.parametrize("mark", [".git", ".dllabignore"])
def test_a_project_travels_whole(made: Make, here: Path, mark: str) -> None:
    """All of it but what the rules leave out; imported modules travel even then."""
    (here / mark).mkdir() if mark == ".git" else (here / mark).touch()
    files(
        here,
        _dot_gitignore="*.csv\n_version.py\n",
        data_dot_csv="1",
        conf__a_dot_yaml="x: 1",
    )
    package(here, __init__="from . import _version, b\n", _version="V = 1\n", b="")
    submission = made(cell="import pkg\n")

    assert {"conf/a.yaml", "pkg/__init__.py", "pkg/b.py"} <= set(paths(submission))
    assert "data.csv" not in paths(submission)
    assert {"pkg/_version.py": "V = 1\n"} == submission.spec.code.files
    assert submission.snapshot.workspace.id == submission.spec.workspace
    count = len(paths(submission))
    assert submission.travels.startswith(f"work: {count} files, 0.0 MB travel with the job")

    alone = made("--no-workspace", cell="import pkg\n")
    assert (None, ["pkg/__init__.py", "pkg/_version.py", "pkg/b.py"]) == (
        alone.spec.workspace,
        list(alone.spec.code.files),
    )


def test_the_home_does_not_travel(made: Make, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home directory under version control is no project."""
    (here / ".git").mkdir()
    monkeypatch.setenv("HOME", str(here))

    assert None is made(cell="print()").snapshot


def test_a_script_keeps_its_place(made: Make, here: Path) -> None:
    """In a project a script runs from the project's top, as one would run it there; modules beside
    it are found beside it. A project that one is not in is as good.
    """
    (here / ".git").mkdir()
    (here / ".gitignore").write_text("gen.py\n")
    files(here, scripts__train_dot_py="import gen\n", scripts__gen_dot_py="import other\n")
    files(here, other_dot_py="", scripts__other_dot_py="")
    submission = made("scripts/train.py")
    code = submission.spec.code
    assert ("scripts/train.py", {"scripts/gen.py": "import other\n"}) == (code.filename, code.files)
    assert "scripts/other.py" in paths(submission)

    os.chdir(here.parent)
    files(here, train_dot_py="print()\n")
    assert (".gitignore", "train.py") == (
        paths(far := made("work/train.py"))[0],
        far.spec.code.filename,
    )


def test_a_directory_that_is_named(made: Make, here: Path) -> None:
    """It travels whatever it is; a script that lies elsewhere cannot run in it."""
    files(here, a__train_dot_py="print()\n", a__x_dot_txt="x", b_dot_py="print()\n")
    submission = made("a/train.py", "--workspace", "a")
    assert (["train.py", "x.txt"], "train.py") == (
        paths(submission),
        submission.spec.code.filename,
    )
    assert ["a/train.py", "a/x.txt", "b.py"] == paths(made("b.py", "--workspace"))

    for words, said in (
        (("b.py", "--workspace", "a"), "--workspace: b.py lies outside of a."),
        (("b.py", "--workspace", "c"), "--workspace: "),
    ):
        with pytest.raises(InvalidRequest) as caught:
            made(*words)
        assert in_words(caught.value).startswith(said)


def test_too_much_to_travel(made: Make, here: Path) -> None:
    """A project that is too large is refused with its largest files, and both ways out."""
    (here / ".git").mkdir()
    with (here / "model.bin").open("wb") as large:
        large.truncate(600 * 2**20)
    with pytest.raises(TooLarge) as caught:
        made(cell="print()")
    said = in_words(caught.value)

    assert "model.bin (600 MB)" in said
    assert ".dllabignore" in said
    assert "--no-workspace" in said

    (here / "model.bin").write_bytes(b"0" * 2 * 2**20)
    assert ["model.bin"] == paths(made(cell="print()"))
    with pytest.raises(TooLarge, match="2 MB and 1 MB may travel"):
        made(cell="print()", most=1)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--module pkg.train -- --lr 1", ("module", "pkg.train", ("--lr", "1"))),
        ("--module pkg", ("module", "pkg", ())),
        ("--command -- python train.py ;rm", ("command", "", ("python", "train.py", ";rm"))),
        ("run.sh -- 3", ("shell", "", ("3",))),
        ("train.py --shell", ("shell", "", ())),
        ("train.py", ("script", "", ())),
    ],
)
def test_what_runs(made: Make, here: Path, words: str, expected: tuple[object, ...]) -> None:
    """A script, a module, a shell script or a command, with the files that it names or imports."""
    files(
        here, train_dot_py="import helper\n", helper_dot_py="", run_dot_sh="python3 train.py $1\n"
    )
    package(here, __init__="", __main__="import helper\n", train="")
    code = made(*words.split()).spec.code

    assert expected == (code.kind, code.module, code.args)
    travels = {
        "--module pkg.train -- --lr 1": ["pkg/__init__.py", "pkg/train.py"],
        "--module pkg": ["helper.py", "pkg/__init__.py", "pkg/__main__.py"],
        "train.py": ["helper.py"],
        "train.py --shell": [],
    }.get(words, ["helper.py", "train.py"])
    assert travels == sorted(code.files)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "what runs? A SCRIPT, --module pkg.train, or --command -- PROGRAM ARGS."),
        ("--env A=1 train.py", "what runs? train.py was read as a value of --env: write it"),
        ("--with x train.py", "what runs? train.py was read as a value of --with: write it"),
        ("--volumes pkg/run.sh", "what runs? pkg/run.sh was read as a value of --volumes: write"),
        ("train.py --workspace missing", "--workspace: missing is not a directory."),
        ("--workspace train.py", "what runs? train.py was read as a value of --workspace: write"),
        ("--command", "the command comes after --."),
        ("train.py --module x", "train.py and --module: only one of them can run."),
        ("--module x --command -- y", "--module and --command: only one of them can run."),
        ("--module x --shell", "--module and --shell: only one of them can run."),
        ("pipe", "pipe is no regular file."),
        ("/dev/zero", "/dev/zero is no regular file."),
        (".", ". is a directory."),
        ("missing.py", "missing.py cannot be read: No such file or directory."),
        ("large.py", "large.py is larger than the 4 MiB of code."),
        ("empty.sh", "there is no code to run."),
    ],
)
def test_nothing_that_can_run(made: Make, here: Path, words: str, said: str) -> None:
    """What cannot run is one line at once: a pipe or a device is not waited for."""
    os.mkfifo(here / "pipe")
    files(here, train_dot_py="print()\n", empty_dot_sh="\n")
    with (here / "large.py").open("wb") as large:
        large.truncate(5 * 2**20)
    with pytest.raises((InvalidRequest, TooLarge)) as caught:
        made(*words.split())
    assert in_words(caught.value).startswith(said)


class _Lab:
    """A client whose first uploads find a file that has changed."""

    def __init__(self, changes: int) -> None:
        self.left, self.got = changes, ""

    def upload_workspace(self, workspace: Workspace, root: Path) -> Upload:
        if self.left:
            self.left -= 1
            (root / "a.txt").write_text(f"version {self.left}")
            raise Conflict("a.txt has changed.")
        return Upload(id=workspace.id)

    def submit(self, spec: TrainingSpec) -> TrainingJob:
        self.got = spec.workspace or ""
        return TrainingJob(id="x", owner="ada", spec=spec, state=JobState.PENDING, created=1.0)


def test_files_that_change_while_they_are_sent(made: Make, here: Path) -> None:
    """The directory is looked at again; what the job names is what was sent. Files that never come
    to rest are named.
    """
    (here / ".git").mkdir()
    files(here, a_dot_txt="version 9")
    submission = made(cell="print()")
    submission.send(lab := _Lab(2))  # type: ignore[arg-type]
    assert lab.got == made(cell="print()").spec.workspace != submission.spec.workspace

    with pytest.raises(Conflict, match=r"a\.txt has changed"):
        submission.send(_Lab(3))  # type: ignore[arg-type]
