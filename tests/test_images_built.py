"""An image that is built as an administrator builds it: from the index, with our own package."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dllab_hub import images
from dllab_hub._version import __version__
from dllab_hub.errors import StorageFull
from dllab_hub.images import builder
from dllab_hub.images.pip import Pip
from dllab_hub.state import StateDir


def test_the_running_package_is_what_is_installed() -> None:
    """A checkout is installed as a checkout: its kernels have what the hub has."""
    checkout = Path(images.__file__).parents[2]

    assert ["--editable", str(checkout)] == builder._own_source()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    top = tmp_path / "small"
    top.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(top)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield top
    subprocess.run(["umount", str(top)], check=True)


def test_a_disk_that_gets_full_is_said(small: Path) -> None:
    """Also when there is no room left for the reason that pip gives."""
    pip = Pip("Tiny", Path(sys.executable), small / "tiny.log", lambda line: None, None)
    fill = f"open({str(small / 'filler')!r}, 'wb', 0).write(bytes(1 << 20)); 1 / 0"

    with pytest.raises(StorageFull, match="Tiny does not fit"):
        pip.run([sys.executable, "-c", fill], fresh=True)


def test_a_disk_that_is_full_is_said(small: Path, tmp_path: Path) -> None:
    """There is no room to say how far a build is."""
    with (small / "filler").open("wb", 0) as file:
        file.write(bytes(1 << 20))

    with pytest.raises(StorageFull, match="does not fit"):
        images.build(StateDir(tmp_path / "state", small), "base", lambda line: None)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_real_build(tmp_path: Path) -> None:
    """The environment imports dllab_hub, whose dependencies have not moved the image's pin."""
    state = StateDir(tmp_path / "state", tmp_path / "envs")
    source = state.root / "images" / "tiny"
    source.mkdir(parents=True)
    # Older than what dllab-hub's own dependencies would bring.
    (source / "requirements.txt").write_text("idna==3.6\n")
    (source / "image.toml").write_text('title = "Tiny"\nframework = "python"\nversion = "1"\n')
    env = images.build(state, "tiny", lambda line: None)
    done = subprocess.run(
        [
            *(env.python, "-P", "-c"),
            "import dllab_hub.client, importlib.metadata as m; "
            "print(dllab_hub.__version__, m.version('idna'))",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    closed = [
        path
        for path in (env.path, *env.path.rglob("*"))
        if not path.is_symlink() and not path.stat().st_mode & (0o001 if path.is_dir() else 0o004)
    ]

    assert [__version__, "3.6"] == done.stdout.split()
    assert [] == closed
