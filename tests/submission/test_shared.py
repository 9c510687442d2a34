"""Marked cells and the training cell as one program, run by Python itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dllab_hub.submission import Program, Submission, with_shared

Run = Callable[..., "subprocess.CompletedProcess[str]"]

NET = """\
import multiprocessing as mp
_SECRET = 41

class Net:
    pass

def scale(x):
    return x * FACTOR

def fail():
    raise ValueError("on line 11")
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a cell after some marked ones, from a directory of its own."""

    def run(cell: str, *shared: tuple[str, str]) -> subprocess.CompletedProcess[str]:
        program = with_shared(Program("script", "train", cell, "train.py"), shared)
        for name, text in {program.filename: program.source, **program.parts}.items():
            (tmp_path / name).write_text(text)
        return subprocess.run(
            [sys.executable, program.filename],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_without_marked_cells() -> None:
    """The cell is the script."""
    program = Program("script", "train", "print()", "train.py")

    assert program is with_shared(program, ())


def test_one_namespace(run: Run) -> None:
    """Later cells see earlier ones, names with ``_`` too; earlier functions see what a later cell
    defines; everything belongs to ``__main__``, so that it is pickled as in the notebook.
    """
    said = run(
        "from __future__ import annotations\n"
        "import pickle\nFACTOR = 2\n"
        "print(_SECRET + 1, scale(21), pickle.dumps(Net()).find(b'__main__') > 0, __name__)\n",
        ("net", NET),
        ("", "TOLD = _SECRET\n"),
    )

    assert ("42 42 True __main__\n", "") == (said.stdout, said.stderr)


def test_processes_that_start_anew(run: Run) -> None:
    """A process that is spawned finds what the cells define, and does not train again."""
    said = run(
        "FACTOR = 2\n"
        "if __name__ == '__main__':\n"
        "    with mp.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(scale, [1, 2]))\n",
        ("net", NET),
    )

    assert ("[2, 4]\n", "") == (said.stdout, said.stderr)


def test_tracebacks_name_the_lines_of_the_cells(run: Run) -> None:
    """File and line are those of the cell that the person sees, with its text."""
    said = run("x = 1\n\nfail()\n", ("", "a = 1\n"), ("net", NET))
    lines = [line.strip() for line in said.stderr.splitlines()]

    assert 1 == said.returncode
    cell = next(n for n, line in enumerate(lines) if 'train.py", line 3, in <module>' in line)
    assert "fail()" == lines[cell + 1]
    shared = next(n for n, line in enumerate(lines) if 'shared-2-net.py", line 11, in fail' in line)
    assert 'raise ValueError("on line 11")' == lines[shared + 1]


def test_what_marked_cells_import_travels(here: Path, made: Callable[..., Submission]) -> None:
    """Modules that only a marked cell imports are there, too."""
    for name in ("a", "b"):
        (here / f"{name}.py").write_text("")
    plain = made(cell="import a\n").spec.code
    assert ("train.py", ["a.py"]) == (plain.filename, list(plain.files))

    code = made(cell="import a\n", shared=(("one", "import b\n"),)).spec.code
    assert ["a.py", "b.py", "shared-1-one.py", "train.py"] == sorted(code.files)
    assert "train-with-shared.py" == code.filename
    assert "import a\n" == code.files["train.py"]
