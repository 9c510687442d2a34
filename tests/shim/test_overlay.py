"""What was installed in a lab, in a job."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from small_wheel import wheel

from dllab_hub.images.overlay import make
from dllab_hub.shim import overlay as overlay_module
from dllab_hub.shim.overlay import link_overlay

_INSTALL = ("install", "--no-index", "--no-deps", "--no-compile")
_LOOK = "import pkg, sys; print(pkg.VERSION, sys.prefix, pkg.__file__)"


def pip(python: Path, *words: object) -> None:
    """What a person does in a lab, with the image's pip."""
    command = [python, "-I", "-m", "pip", "--disable-pip-version-check", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True)


def run_in(python: Path, code: str) -> str:
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two versions of a package with a command."""
    folder = tmp_path_factory.mktemp("wheels")
    return {
        version: wheel(folder, "pkg", version, script="pkg-says", padding=version)
        for version in ("1.0", "2.0")
    }


@pytest.fixture
def lab(tmp_path: Path, wheels: dict[str, Path]) -> Path:
    """The overlay of a lab in which version 1.0 is installed, as pip does it."""
    top = tmp_path / "labs" / "ada" / "overlay" / "here"
    python = make(top, sys.executable)
    site = next(top.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheels["1.0"]) as archive:
        archive.extractall(site)
    script = top / "bin" / "pkg-says"
    script.write_text(f"#!{python}\nimport sys\nfrom pkg import main\nsys.exit(main())\n")
    script.chmod(0o755)
    return top


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The run directory of a job."""
    folder = tmp_path / "jobs" / "digits-bcdfghj" / "run"
    folder.mkdir(parents=True)
    return folder


def plan(lab: Path) -> dict[str, object]:
    return {"overlay": {"from": str(lab), "to": "overlay"}}


def test_a_job_has_what_the_lab_had(lab: Path, run: Path, wheels: dict[str, Path]) -> None:
    """Upgrading and removing a package in the lab changes nothing for the job and its commands."""
    pip(lab / "bin" / "python", *_INSTALL, "--force-reinstall", wheels["1.0"])
    trouble = link_overlay(plan(lab), run)
    own = run / "overlay"
    before = run_in(own / "bin" / "python", _LOOK)
    pip(lab / "bin" / "python", *_INSTALL, wheels["2.0"])
    upgraded = run_in(lab / "bin" / "python", _LOOK)
    pip(lab / "bin" / "python", "uninstall", "-y", "pkg")
    says = subprocess.run([own / "bin" / "pkg-says"], capture_output=True, text=True, check=True)

    assert "" == trouble
    assert f"1.0 {own}" == " ".join(before.split()[:2])
    assert "2.0" == upgraded.split()[0]
    assert before == run_in(own / "bin" / "python", _LOOK)
    assert str(own) == says.stdout.strip()
    assert "1.0" == next(own.glob("lib/python*/site-packages/pkg_data.txt")).read_text()


def test_a_job_changes_nothing_in_the_lab(lab: Path, run: Path, wheels: dict[str, Path]) -> None:
    """What a job installs stays in the job."""
    link_overlay(plan(lab), run)
    pip(run / "overlay" / "bin" / "python", *_INSTALL, wheels["2.0"])

    assert "1.0" == run_in(lab / "bin" / "python", _LOOK).split()[0]
    assert "2.0" == run_in(run / "overlay" / "bin" / "python", _LOOK).split()[0]


def test_it_costs_no_room(lab: Path, run: Path) -> None:
    """Files are shared, those excepted that say where they lie."""
    link_overlay(plan(lab), run)
    data = "lib/*/site-packages/pkg_data.txt"
    shared = next(lab.glob(data)).samefile(next((run / "overlay").glob(data)))

    assert shared
    for name in ("pyvenv.cfg", "bin/pkg-says", ".dllab-overlay.json"):
        assert not (lab / name).samefile(run / "overlay" / name)


def test_the_next_attempt_has_the_same(lab: Path, run: Path) -> None:
    """What the job has is kept over restarts and pauses, also when the lab is gone."""
    link_overlay(plan(lab), run)
    module = next(lab.glob("lib/python*/site-packages/pkg.py"))
    module.unlink()
    module.write_text("VERSION = '2.0'")
    again = link_overlay(plan(lab), run)
    lab.rename(lab.with_name("elsewhere"))
    without = link_overlay(plan(lab), run)

    assert ("", "") == (again, without)
    assert "1.0" == run_in(run / "overlay" / "bin" / "python", _LOOK).split()[0]


def test_a_place_with_a_long_name(lab: Path, tmp_path: Path) -> None:
    """Commands run where no first line is long enough for the path, and with spaces in it."""
    run = tmp_path / ("d" * 100) / "with space"
    run.mkdir(parents=True)
    link_overlay(plan(lab), run)
    again = run.parent / "again"
    again.mkdir()
    link_overlay({"overlay": {"from": str(run / "overlay"), "to": "overlay"}}, again)
    for own in (run / "overlay", again / "overlay"):
        says = subprocess.run([own / "bin" / "pkg-says"], capture_output=True, text=True)

        assert (str(own), "") == (says.stdout.strip(), says.stderr)


def test_another_file_system(lab: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there can be no hard links the files are copied."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(overlay_module.os, "link", refuse)
    trouble = link_overlay(plan(lab), run)

    assert "" == trouble
    assert "1.0" == run_in(run / "overlay" / "bin" / "python", _LOOK).split()[0]


def test_while_something_is_installed(
    lab: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that vanishes meanwhile makes it begin anew; when it goes on so, that is said."""
    link, vanished = os.link, []

    def vanish(source: str, made: Path) -> None:
        if len(vanished) < times:
            vanished.append(source)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        link(source, made)

    monkeypatch.setattr(overlay_module.os, "link", vanish)
    times = 100
    refused = link_overlay(plan(lab), run)
    left = os.listdir(run)
    times = len(vanished) + 2

    assert "being installed" in refused
    assert [] == left
    assert "" == link_overlay(plan(lab), run)
    assert ["overlay"] == os.listdir(run)


def test_no_room(lab: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is said, and half an overlay does not stay."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(overlay_module.os, "link", full)
    monkeypatch.setattr(overlay_module.shutil, "copy2", full)

    assert "No space left on device" in link_overlay(plan(lab), run)
    assert [] == os.listdir(run)


def test_a_lab_that_is_gone(run: Path, tmp_path: Path) -> None:
    """A job whose lab was removed before it could start says so."""
    assert "is gone" in link_overlay(plan(tmp_path / "nosuch"), run)
    assert [] == os.listdir(run)


def test_nothing_to_take_along(run: Path) -> None:
    """A job without an overlay has none."""
    assert ("", "") == (link_overlay({}, run), link_overlay({"overlay": None}, run))
    assert [] == os.listdir(run)
