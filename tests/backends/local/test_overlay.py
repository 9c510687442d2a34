"""The overlay of a lab, found for a job."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dllab_hub.backends.local.overlay import overlay_of
from dllab_hub.errors import NotFound
from dllab_hub.hub.lab import Lab
from dllab_hub.hub.prepared import Prepared
from dllab_hub.images.overlay import make
from dllab_hub.leases import Lease
from dllab_hub.shim.overlay import link_overlay
from dllab_hub.specs import LabSpec
from dllab_hub.state import StateDir

_HERE = LabSpec(image="here")


@pytest.fixture
def lab(a_state: StateDir) -> Lab:
    """A lab of ada's that the hub has started, on the image ``here``."""
    lab = Lab(a_state, "ada-work", "ada", "work", os_user=False)
    (lab.directory / "run").mkdir(parents=True)
    make(lab._overlay(_HERE), sys.executable)
    prepared = Prepared(
        home=lab.directory, env={}, python=Path(sys.executable), path=(), first_page="", account={}
    )
    started, _ = lab.launch(prepared, [sys.executable, "-c", ""], {}, Lease((), ()))
    started.wait(30)
    return lab


@pytest.fixture
def overlay(lab: Lab) -> Path:
    """Its overlay, in which a package is installed."""
    top = lab._overlay(_HERE)
    (next(top.glob("lib/python*/site-packages")) / "pkg.py").write_text("print('from the lab')")
    return top


def test_what_is_installed_travels(
    a_state: StateDir, lab: Lab, overlay: Path, tmp_path: Path
) -> None:
    """The interpreter that is named finds what was installed in the lab."""
    run = tmp_path / "run"
    run.mkdir()
    found = overlay_of(a_state, "ada", lab.id, "here", run)
    assert found is not None
    trouble = link_overlay({"overlay": found.plan}, run)
    done = subprocess.run([found.python, "-c", "import pkg"], capture_output=True, text=True)

    assert (overlay, "", "from the lab") == (found.source, trouble, done.stdout.strip())
    assert found.python.is_relative_to(run)


def test_a_job_goes_on_with_what_it_had(
    a_state: StateDir, lab: Lab, overlay: Path, tmp_path: Path
) -> None:
    """A job that is resumed has what it had when it started, also when the lab is gone."""
    run, without = tmp_path / "run", tmp_path / "without"
    (without / "attempts" / "1").mkdir(parents=True)
    run.mkdir()
    first = overlay_of(a_state, "ada", lab.id, "here", run)
    assert first is not None
    link_overlay({"overlay": first.plan}, run)
    shutil.rmtree(lab.directory)
    again = overlay_of(a_state, "ada", lab.id, "here", run)

    assert again is not None
    assert (first.python, run / "overlay") == (again.python, again.source)
    assert "" == link_overlay({"overlay": again.plan}, run)
    assert overlay_of(a_state, "ada", lab.id, "here", without) is None


def test_nothing_is_installed(a_state: StateDir, lab: Lab, tmp_path: Path) -> None:
    """A lab in which nothing was installed, and one that never had the image, add nothing."""
    assert overlay_of(a_state, "ada", lab.id, "here", tmp_path) is None
    assert overlay_of(a_state, "ada", lab.id, "pytorch", tmp_path) is None


@pytest.mark.parametrize(
    ("owner", "id"),
    [
        ("grace", "ada-work"),
        ("ada", "nosuch"),
        ("ada", "../labs/ada-work"),
        ("ada", "ada-work/."),
        ("ada", ".."),
        ("ada", "ada-work\n"),
        ("ada", "a\0b"),
    ],
)
def test_labs_of_others_and_of_nobody(
    a_state: StateDir, overlay: Path, tmp_path: Path, owner: str, id: str
) -> None:
    """A lab of somebody else is as unknown as one that is none."""
    with pytest.raises(NotFound) as caught:
        overlay_of(a_state, owner, id, "here", tmp_path)

    assert ("lab", "you have no such lab.") == (caught.value.field, caught.value.message)


@pytest.mark.parametrize("image", ["../here", "..", "here/../here"])
def test_images_of_nobody(
    a_state: StateDir, lab: Lab, overlay: Path, tmp_path: Path, image: str
) -> None:
    """What is no name of an image leads nowhere."""
    assert overlay_of(a_state, "ada", lab.id, image, tmp_path) is None


def test_a_damaged_record(a_state: StateDir, lab: Lab, overlay: Path, tmp_path: Path) -> None:
    """A lab whose owner cannot be read is nobody's."""
    (lab.directory / "lab.json").write_text("[1]")
    with pytest.raises(NotFound):
        overlay_of(a_state, "ada", lab.id, "here", tmp_path)
