"""``%%shared``, and what else of the notebook's directory travels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from notebooks import Notebook


def shared(notebook: Notebook) -> dict[str, str]:
    """Names and texts of the marked cells in the job that was submitted last."""
    files = notebook.job.info.spec.code.files
    return {name: text for name, text in files.items() if name.startswith("shared-")}


def test_a_marked_cell_runs_and_travels(notebook: Notebook) -> None:
    """It runs in the notebook, shows its result, and is there in every training from then on."""
    assert "42" == notebook.run("%%shared\nanswer = 42\nanswer")
    assert "42" == notebook.run("answer")
    notebook.run("%%train --name mine\nprint(answer)\n")
    code = notebook.job.info.spec.code

    assert "mine-with-shared.py" == code.filename
    assert "print(answer)\n" == code.files["mine.py"]
    assert {"shared-1.py": "answer = 42\nanswer\n"} == shared(notebook)


def test_the_latest_text_in_the_first_place(notebook: Notebook) -> None:
    """A cell that runs again keeps its place and brings its new text, by name or by text."""
    for cell in ("net\na = 1", "data\nb = 1", "net\na = 2"):
        notebook.run(f"%%shared {cell}")
    for _ in range(2):
        notebook.run("%%shared\nc = 1")
    notebook.run("%%train\nprint(a)\n")

    assert {
        "shared-1-net.py": "a = 2\n",
        "shared-2-data.py": "b = 1\n",
        "shared-3.py": "c = 1\n",
    } == shared(notebook)
    listed = notebook.run("%shared").splitlines()
    assert ["N", "NAME", "LINES", "BEGINS", "WITH"] == listed[0].split()
    assert [["1", "net", "1", "a", "=", "2"], ["3", "-", "1", "c", "=", "1"]] == [
        listed[1].split(),
        listed[3].split(),
    ]


def test_a_cell_is_known_by_its_id(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A front end says which cell runs: one that was edited replaces itself."""
    parent: dict[str, Any] = {"metadata": {"cellId": "one"}}
    monkeypatch.setattr(notebook.shell, "get_parent", lambda: parent, raising=False)
    notebook.run("%%shared\na = 1")
    notebook.run("%%shared\na = 2")
    notebook.run("%%train\nprint(a)\n")

    assert {"shared-1.py": "a = 2\n"} == shared(notebook)


def test_marked_no_more(notebook: Notebook) -> None:
    """Cells are taken out by name or number, or all of them; a wrong one takes out none."""
    for cell in ("net\na = 1", "\nb = 1", "\nc = 1"):
        notebook.run(f"%%shared {cell}")
    assert "no cell none is marked. There are net, 2, 3." == notebook.run(
        "%shared --remove net none"
    )
    notebook.run("%shared --remove net 3")
    notebook.run("%%train\nprint(b)\n")
    assert {"shared-1.py": "b = 1\n"} == shared(notebook)

    assert notebook.run("%shared --clear").startswith("no cell is marked")
    notebook.run("%%train\nprint(b)\n")
    assert "print(b)\n" == notebook.job.info.spec.code.source


def test_a_cell_that_fails_does_not_travel(notebook: Notebook) -> None:
    """Its error is shown and the cell fails; what was marked before stays."""
    notebook.run("%%shared net\na = 1")
    said = notebook.run("%%shared net\na = 1 / 0")
    assert not notebook.ok
    assert "ZeroDivisionError" in said
    assert "the cell failed, so its new text does not travel" in said
    said = notebook.run("%%shared\nimport os\n!ls\n")
    assert "line 2: '!ls' works in a notebook only" in said
    notebook.run("%%train\nprint(a)\n")

    assert {"shared-1-net.py": "a = 1\n"} == shared(notebook)


def test_no_marked_cell_in_a_shell_script(notebook: Notebook) -> None:
    """``--shell`` runs the cell with bash: nothing is checked or added as Python."""
    notebook.run("%%shared\na = 1")
    notebook.run("%%train --shell --name mine -- 3\nfor i in 1 2; do echo $i; done\n")
    code = notebook.job.info.spec.code

    assert ("shell", "mine.sh", ("3",), {}) == (code.kind, code.filename, code.args, code.files)


def test_the_line_magic(notebook: Notebook, tmp_path: Path) -> None:
    """``%train`` submits what lies in files; a cell and a module at once are refused."""
    (tmp_path / "My_Train.py").write_text("print(1)\n")
    notebook.run("%train My_Train.py --workers 2 -- --lr 1")
    spec = notebook.job.info.spec
    assert ("my-train", "My_Train.py", ("--lr", "1"), 2) == (
        spec.name,
        spec.code.filename,
        spec.code.args,
        spec.replicas,
    )
    notebook.run("%train --command -- nvidia-smi -L")
    assert ("command", "nvidia-smi") == (
        notebook.job.info.spec.code.kind,
        notebook.job.info.spec.name,
    )
    said = notebook.run("%%train --module x\nprint(1)\n")
    assert "the cell and --module: only one of them can run." == said


def test_a_project_is_said_to_travel(
    notebook: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line names the files and the size; the files are sent before the job."""
    monkeypatch.setenv("HOME", "/nowhere")
    (tmp_path / ".dllabignore").write_text(".ipython\n")
    (tmp_path / "conf.yaml").write_text("x: 1\n")
    said = notebook.run("%%train\nprint(1)\n").splitlines()[0]

    assert said == (
        f"{tmp_path.name}: 2 files, 0.0 MB travel with the job "
        "(--no-workspace: only what is imported)."
    )
    assert notebook.job.info.spec.workspace
    notebook.run("%%train --no-workspace\nprint(1)\n")
    assert None is notebook.job.info.spec.workspace
