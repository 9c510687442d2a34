"""``--target`` in a notebook and in a terminal, and the lists that say where jobs run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from notebooks import Notebook
from served import Host

from dllab_hub.specs import Image, Target


@pytest.fixture
def two(lab: Host) -> Host:
    """A lab that knows a cluster besides the machine."""
    torch = Image(
        name="torch", title="PyTorch", framework="pytorch", version="2", container="r.example.org/t"
    )
    backend = lab.lab.backend
    backend._offered = backend._offered.model_copy(
        update={
            "targets": (
                Target(name="machine", title="This machine", kind="machine"),
                Target(name="farm", title="GPU farm", kind="cluster"),
            ),
            "images": (*backend._offered.images, torch),
        }
    )
    return lab


def test_a_cell_names_its_place(notebook: Notebook, two: Host) -> None:
    """The job runs there, and says so; lists have a column for it once it is needed."""
    notebook.run("%%train --name near --image here\nprint()")
    before = notebook.run("print(get_ipython().run_line_magic('jobs', '').text())")
    notebook.run("%%train --name far --image torch --target farm\nprint()")
    listed = notebook.run("print(get_ipython().run_line_magic('jobs', '').text())")
    shown = notebook.run("print(get_ipython().run_line_magic('job', '').text())")

    assert "farm" == notebook.job.info.spec.target
    assert "WHERE" not in before
    assert "WHERE" in listed
    assert "on farm" in shown


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%%train --target mars --image here", ["--target", "no such place", "machine, farm"]),
        ("%%train --target farm --image here", ["--image", "cannot run on farm", "torch"]),
        ("%%train --target Farm", ["--target", "lower-case"]),
        ("%%train --target", ["--target", "expected one argument"]),
    ],
)
def test_what_is_wrong_is_one_line(notebook, two, line, words):
    """It names the option, and what would do."""
    said = notebook.run(f"{line}\nprint()")

    assert not notebook.ok
    assert [] == [word for word in words if word not in said]


def test_a_terminal_names_it_too(two: Host, tmp_path: Path) -> None:
    """``dllab submit --target`` and ``dllab rerun --target``."""
    (tmp_path / "train.py").write_text("print()")

    def dllab(*words: str) -> dict:
        env = {**os.environ, "DLLAB_API_URL": two.url, "DLLAB_API_TOKEN": two.token}
        done = subprocess.run(
            [sys.executable, "-m", "dllab_hub.cli", *words, "--json"],
            cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    job = dllab("submit", "train.py", "--image", "torch", "--target", "farm")
    again = dllab("rerun", job["id"], "--image", "here", "--target", "machine")

    assert ("farm", "machine") == (job["spec"]["target"], again["spec"]["target"])
