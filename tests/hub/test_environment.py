"""A lab's overlay, and a person's own environment below it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.hub import environment
from dllab_hub.hub.environment import EnvironmentProblem, prepare


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Somebody's own environment, with a package that looks like ipykernel."""
    top = tmp_path / "home" / "envs" / "mine"
    venv.create(top, symlinks=True)
    [site] = top.glob("lib/python*/site-packages")
    (site / "ipykernel").mkdir()
    (site / "ipykernel" / "__init__.py").touch()
    return top


def ask(tmp_path: Path, custom: Path | str, *roots: Path) -> dict[str, Any]:
    wish = [str(root) for root in roots or (tmp_path / "home",)]
    return prepare("", str(custom), wish, str(tmp_path / "overlay"))


def test_an_own_environment_gets_an_overlay(own: Path, tmp_path: Path) -> None:
    """The overlay's python sees what the environment has; nothing was installed into it."""
    found = ask(tmp_path, own)
    code = "import ipykernel, sys; print(ipykernel.__file__, sys.prefix)"
    said = subprocess.run([found["python"], "-c", code], capture_output=True, text=True, check=True)

    assert str(own / "bin" / "python") == found["below"]
    assert not found["magics"]
    assert said.stdout.startswith(str(own))
    assert said.stdout.strip().endswith(str(tmp_path / "overlay"))


def test_the_home_is_written_as_a_tilde(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``~`` in the administrator's list is the person's own home."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    assert prepare("", str(own), ["~"], str(tmp_path / "overlay"))["below"].startswith(str(own))


def test_a_link_does_not_lead_out(own: Path, tmp_path: Path) -> None:
    """What counts is where the environment really lies."""
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "link").symlink_to(own)

    with pytest.raises(EnvironmentProblem, match="the environment must lie below"):
        ask(tmp_path, tmp_path / "allowed" / "link", tmp_path / "allowed")
    with pytest.raises(EnvironmentProblem, match="must lie below"):
        ask(tmp_path, f"{tmp_path}/allowed/../home/envs/mine", tmp_path / "allowed")


def test_what_is_no_environment_is_said(own: Path, tmp_path: Path) -> None:
    """Missing, without python, without ipykernel, or broken: each has its sentence."""
    python = own / "bin" / "python"
    with pytest.raises(EnvironmentProblem, match="is not there"):
        ask(tmp_path, tmp_path / "home" / "nothing")
    with pytest.raises(EnvironmentProblem, match="no bin/python in it"):
        ask(tmp_path, tmp_path / "home" / "envs")
    [kernel] = own.glob("lib/python*/site-packages/ipykernel")
    kernel.rename(kernel.with_name("other"))
    with pytest.raises(EnvironmentProblem, match="pip install ipykernel"):
        ask(tmp_path, own)
    python.unlink()
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(EnvironmentProblem, match="does not run"):
        ask(tmp_path, own)


def test_it_runs_with_nothing_but_the_standard_library(own: Path, tmp_path: Path) -> None:
    """As a program it reads JSON and answers JSON, problems too."""

    def run(custom: Path) -> dict[str, Any]:
        wish = {
            "python": "",
            "custom": str(custom),
            "roots": [str(tmp_path / "home")],
            "overlay": str(tmp_path / "overlay"),
        }
        said = subprocess.run(
            [sys.executable, "-I", "-S", environment.__file__],
            input=json.dumps(wish),
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.defpath},
        ).stdout
        answer: dict[str, Any] = json.loads(said)
        return answer

    assert str(tmp_path / "overlay" / "bin" / "python") == run(own)["python"]
    assert "is not there" in run(tmp_path / "gone")["problem"]
