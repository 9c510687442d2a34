"""The built front end and the sources it is built from, as files."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import dllab_hub
from dllab_hub._version import __version__

ROOT = Path(__file__).parents[2]
FRONT = ROOT / "labextension"
BUILT = Path(dllab_hub.__file__).parent / "labextension"
SOURCES = sorted((FRONT / "src").rglob("*.ts*"))
#: All that a browser may have to load of us, compressed.
LIMIT = 120 * 1024


@pytest.fixture
def built() -> Path:
    """Where the built front end lies."""
    assert (BUILT / "package.json").is_file(), "build it first: npm --prefix labextension run build"
    return BUILT


def test_versions_agree() -> None:
    """The front end carries the version of the Python package."""
    lock = json.loads((FRONT / "package-lock.json").read_text())

    assert __version__ == json.loads((FRONT / "package.json").read_text())["version"]
    assert __version__ == lock["version"] == lock["packages"][""]["version"]


def test_lock_names_no_place() -> None:
    """The lock file says what to install and not from where."""
    lock = json.loads((FRONT / "package-lock.json").read_text())

    assert [] == [name for name, entry in lock["packages"].items() if "resolved" in entry]


def test_built_front_end_is_small(built: Path) -> None:
    """Everything that is sent to a browser stays far below 120 KB compressed."""
    scripts = list((built / "static").glob("*.js"))
    size = sum(len(gzip.compress(script.read_bytes())) for script in scripts)

    assert scripts
    assert size <= LIMIT, f"{size} bytes"


def test_jupyterlab_finds_the_front_end(built: Path) -> None:
    """The built package names the script to load and the settings it brings."""
    package = json.loads((built / "package.json").read_text())
    load = package["jupyterlab"]["_build"]["load"]

    assert (built / load).is_file()
    assert (built / "schemas" / "dllab-hub" / "sidebar.json").is_file()


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(FRONT).as_posix())
def test_source_is_safe_and_short(source: Path) -> None:
    """No file writes markup by hand, logs to the console or is longer than 250 lines."""
    text = source.read_text()

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySet|console\.", text)
    assert len(text.splitlines()) <= 250


@pytest.mark.parametrize("sheet", sorted((FRONT / "style").glob("*.css")), ids=lambda p: p.name)
def test_colours_come_from_the_theme(sheet: Path) -> None:
    """No style sheet names a colour of its own."""
    text = sheet.read_text()

    assert [] == re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\([^)]*\)|hsl\([^)]*\)", text)


def test_models() -> None:
    """The tests of the models and texts, written in TypeScript, pass."""
    npm = shutil.which("npm")
    if npm is None or not (FRONT / "node_modules").is_dir():
        pytest.skip("needs npm and labextension/node_modules")
    run = subprocess.run(
        [npm, "--prefix", str(FRONT), "test"],
        env={**os.environ, "CI": "1"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
