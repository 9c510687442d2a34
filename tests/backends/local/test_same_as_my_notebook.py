"""A job finds what the notebook has: its files, and what was installed in the lab."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from workspace_files import archive, workspace

from dllab_hub.errors import NotFound
from dllab_hub.images.overlay import make
from dllab_hub.specs import Code, JobState, TrainingSpec
from dllab_hub.state import StateDir

_SCRIPT = """
import os, subprocess, pkg, helper
print(pkg.VERSION, helper.TEXT, open("conf/a.txt").read(), os.access("run.sh", os.X_OK))
print(subprocess.run(["./run.sh"], capture_output=True, text=True).stdout)
"""


@pytest.fixture
def lab(a_state: StateDir) -> Path:
    """The packages of a lab of ada's."""
    folder = a_state.labs / "ada"
    make(folder / "overlay" / "here", sys.executable)
    (folder / "lab.json").write_text(json.dumps({"owner": "ada", "server": "", "shim": None}))
    site = next(folder.glob("overlay/here/lib/python*/site-packages"))
    (site / "pkg.py").write_text("VERSION = 'the lab has this'")
    return site


async def test_files_and_packages(local, lab: Path, tmp_path: Path) -> None:
    """The workspace is there, unsaved text comes before it, and the lab's packages are found."""
    backend = local.backend
    files = {
        "helper.py": b"TEXT = 'as saved'",
        "conf/a.txt": b"a file",
        "run.sh": b"#!/bin/sh\necho executed\n",
        "train.py": b"raise SystemExit('as saved')",
    }
    wish = workspace(files, executable=("run.sh",))
    told = await backend.workspaces.announce("ada", wish)
    await backend.workspaces.fill("ada", wish.id, archive(tmp_path / "a.tar", *files.values()))
    code = Code(source=_SCRIPT, files={"helper.py": "TEXT = 'not saved yet'"})
    spec = TrainingSpec(name="digits", image="here", code=code, workspace=told.id, lab="ada")
    job = await local.over(await backend.submit("ada", spec))
    log = (await backend.logs("ada", job.id)).text

    assert JobState.SUCCEEDED is job.state, job.reason + log
    assert "the lab has this not saved yet a file True" in log
    assert "executed" in log


async def test_a_lab_of_somebody_else(local, lab: Path) -> None:
    """What others have installed is refused before anything is queued."""
    for owner, id in (("grace", "ada"), ("ada", "nosuch")):
        with pytest.raises(NotFound) as caught:
            await local.backend.submit(
                owner, TrainingSpec(name="x", image="here", code=Code(source="1"), lab=id)
            )

        assert "lab" == caught.value.field
        assert () == (await local.backend.list(owner)).jobs
