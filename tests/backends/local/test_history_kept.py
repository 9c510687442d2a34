"""What of a job's code, curves and packages is kept when all its files are gone."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from workspace_files import archive, workspace

from dllab_hub.images.overlay import make
from dllab_hub.specs import Code, JobState, TrainingSpec


async def test_code_outlives_the_files_of_a_workspace(local, tmp_path, a_state):
    """Texts that travelled with jobs are compared when directories and workspaces are gone."""
    backend, jobs = local.backend, []
    for rate in (b"0.1", b"0.2"):
        files = {"pkg/train.py": b"import os\nrate = " + rate, "data.bin": b"\0" + rate}
        wish = workspace(files)
        await backend.workspaces.announce("ada", wish)
        await backend.workspaces.fill("ada", wish.id, archive(tmp_path / "a.tar", *files.values()))
        code = Code(kind="module", module="pkg.train")
        spec = TrainingSpec(name="digits", image="here", code=code, workspace=wish.id)
        jobs.append((await local.over(await backend.submit("ada", spec))).id)
    for id in jobs:
        await backend.history.remove_files("ada", id)
    shutil.rmtree(a_state.workspaces / "ada" / "blobs")
    found = {diff.path: diff for diff in (await backend.history.compare("ada", jobs)).code}

    assert {"pkg/train.py", "data.bin"} == set(found)
    assert ("changed", "rate = 0.1", "rate = 0.2") == (
        found["pkg/train.py"].lines[-1].kind,
        found["pkg/train.py"].lines[-1].before,
        found["pkg/train.py"].lines[-1].after,
    )
    assert found["data.bin"].binary or found["data.bin"].lines
    await backend.history.delete("ada", jobs[0])
    assert [f"{jobs[1]}.json.gz", f"{jobs[1]}.texts.json.gz"] == sorted(
        path.name for path in (a_state.records / "ada").iterdir()
    )


async def test_curves_outlive_the_files(local):
    """What a job reported is still drawn when its files are gone."""
    source = (
        "from dllab_hub.runtime.report import report\nimport time\n"
        "for step in range(5):\n    report(step, loss=1 / (step + 1)); time.sleep(0.25)"
    )
    code = Code(source=source)
    job = await local.backend.submit("ada", TrainingSpec(name="digits", image="here", code=code))
    done = await local.over(job)
    before = await local.backend.insight.curves("ada", job.id, "metrics")
    await local.backend.history.remove_files("ada", job.id)
    after = await local.backend.insight.curves("ada", job.id, "metrics")

    assert JobState.SUCCEEDED is done.state, done.reason
    assert ["loss"] == [curve.name for curve in before.curves]
    assert before.curves[0].values[-1] == after.curves[0].values[-1] == pytest.approx(0.2)
    assert 4 == (await local.backend.get("ada", job.id)).progress.step


async def test_what_a_lab_had_installed(local, a_state):
    """The packages of the lab are told apart from those of the image, and names are plain."""
    folder = a_state.labs / "ada"
    make(folder / "overlay" / "here", sys.executable)
    (folder / "lab.json").write_text(json.dumps({"owner": "ada", "server": "", "shim": None}))
    site = next(folder.glob("overlay/here/lib/python*/site-packages"))
    (site / "my.odd_Package-1.2.post1.dist-info").mkdir()
    (site / "<b>-1.dist-info").mkdir()
    code = Code(source="pass")
    spec = TrainingSpec(name="digits", image="here", code=code, lab="ada")
    job = await local.over(await local.backend.submit("ada", spec))
    environment = (await local.backend.history.record("ada", job.id)).environment

    assert JobState.SUCCEEDED is job.state, job.reason
    assert {"my-odd-package": "1.2.post1"} == environment.overlay
    assert "pydantic" in environment.packages
