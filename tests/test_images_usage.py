"""`dllab env` in a terminal: lists, removes what nobody uses, and draws a bar."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dllab_hub import images
from dllab_hub.cli import main
from dllab_hub.cli.env import _Bar
from dllab_hub.images import overlay
from dllab_hub.sharing import SharedLab
from dllab_hub.specs import LabSpec
from dllab_hub.state import StateDir


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateDir:
    monkeypatch.setenv("DLLAB_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DLLAB_ENVS", str(tmp_path / "envs"))
    return StateDir.default()


@pytest.fixture
def built(state: StateDir) -> images.ImageEnv:
    """The image jax, as far as its files go: an environment without a package."""
    env = images.named(state, "jax")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(env.path)], check=True)
    (env.path / ".complete").write_text('{"dllab_hub": "0"}')
    return env


@pytest.fixture
def running() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts an interpreter that waits, with variables."""
    started: list[subprocess.Popen[bytes]] = []

    def start(python: Path, code: str = "", **env: str) -> subprocess.Popen[bytes]:
        program = f"{code}\nprint('up', flush=True); input()"
        process = subprocess.Popen(
            [str(python), "-c", program],
            env={"PATH": "/usr/bin:/bin", **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_an_image_that_nobody_uses_is_removed(
    state: StateDir, built: images.ImageEnv, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its environments go, older ones too; an image of a similar name stays."""
    (state.envs / "jax-000000000000").mkdir()
    (state.envs / "jax-more-000000000000").mkdir()

    assert 0 == main(["env", "remove", "jax", "--yes"])
    assert "jax: removed\n" == capsys.readouterr().out
    assert ["jax-more-000000000000"] == [p.name for p in state.envs.iterdir() if p.is_dir()]
    assert "missing" == images.named(state, "jax").image.state


def test_an_image_that_is_not_built_is_no_error(
    state: StateDir, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so."""
    assert 0 == main(["env", "remove", "jax", "--yes"])
    assert "jax: it was not built\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("variables", "who"),
    [
        ({"DLLAB_LAB_ID": "ada"}, "lab ada"),
        ({"DLLAB_LAB_ID": "ada", "DLLAB_JOB_ID": "digits-x7k2m9q"}, "job digits-x7k2m9q"),
        ({}, "python"),
    ],
)
def test_an_image_in_use_stays(
    built: images.ImageEnv,
    running: Callable[..., subprocess.Popen[bytes]],
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    who: str,
) -> None:
    """It is told what runs in it; with --force it goes all the same."""
    process = running(built.python, **variables)

    assert 1 == main(["env", "remove", "jax", "--yes"])
    said = capsys.readouterr().err
    assert f"in use by {who}" in said
    assert f"(process {process.pid})" in said
    assert built.ready
    assert 0 == main(["env", "remove", "jax", "--yes", "--force"])
    assert not built.path.exists()


def test_a_kernel_in_an_overlay_uses_its_image(
    state: StateDir,
    built: images.ImageEnv,
    running: Callable[..., subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    """Its command names the overlay only; what it has loaded gives it away, behind a link too."""
    site = next(built.path.glob("lib/python*/site-packages"))
    (site / "loaded.bin").write_bytes(b"x" * 4096)
    code = (
        f"import mmap; f = open({str(site / 'loaded.bin')!r}, 'rb');"
        "m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)"
    )
    process = running(overlay.make(tmp_path / "overlay", built.python), code, DLLAB_LAB_ID="ada")

    who = [f"lab ada (process {process.pid})"]
    assert who == [str(u) for u in images.users(state, "jax")]
    (tmp_path / "link").symlink_to(state.envs)
    linked = StateDir(state.root, tmp_path / "link")
    assert who == [str(u) for u in images.users(linked, "jax")]


@pytest.mark.parametrize(("typed", "code", "stays"), [("n\n", 1, True), ("y\n", 0, False)])
def test_it_asks_before_it_removes(
    built: images.ImageEnv,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
    code: int,
    stays: bool,
) -> None:
    """Only yes is yes."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))

    assert code == main(["env", "remove", "jax"])
    assert stays == built.path.exists()


def test_where_nobody_can_be_asked_it_says_so(
    built: images.ImageEnv, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script says --yes."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))

    assert 2 == main(["env", "remove", "jax"])
    assert "Add --yes." in capsys.readouterr().err
    assert built.ready


def test_a_misspelt_image_ends_it_before_the_first_build(
    state: StateDir, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several are built one after the other, and all of them exist."""
    assert 1 == main(["env", "build", "jax", "jaxx"])
    assert "there is no such image" in capsys.readouterr().err
    assert not state.envs.exists()


def test_what_people_exported_becomes_an_image(
    state: StateDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the file of a lab to an image in the list."""
    lab = SharedLab(lab=LabSpec(image="jax"), title="JAX", packages=("einops==0.8.1",))
    (tmp_path / "lab.json").write_text(lab.to_text())

    words = ["env", "adopt", str(tmp_path / "lab.json"), "--name", "ours", "--no-build"]
    assert 0 == main(words)
    assert "build it: dllab env build ours" in capsys.readouterr().out
    assert 0 == main(["env", "list", "--json"])
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert ("JAX 0.10 with einops", "missing") == (listed["ours"]["title"], listed["ours"]["state"])


@pytest.mark.parametrize("file", ["none.json", "bytes.json", "."])
def test_a_file_that_cannot_be_read_is_named(
    state: StateDir, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    """One line, exit code 2."""
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")

    assert 2 == main(["lab", "link", str(tmp_path / file)])
    assert file in capsys.readouterr().err


def test_a_lab_prints_its_file_and_its_link(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What one command prints the other reads."""
    monkeypatch.setenv("DLLAB_LAB", '{"image": "jax", "gpus": 2}')
    monkeypatch.setenv("JUPYTERHUB_BASE_URL", "/lab/")

    assert 0 == main(["lab", "export"])
    (tmp_path / "lab.json").write_text(capsys.readouterr().out)
    assert 0 == main(["lab", "link", str(tmp_path / "lab.json")])
    from_file = capsys.readouterr().out
    assert 0 == main(["lab", "link"])
    assert "/lab/hub/spawn#image=jax&gpus=2\n" == from_file == capsys.readouterr().out


def test_the_bar_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fits the terminal, moves, and leaves nothing behind."""
    monkeypatch.setenv("COLUMNS", "60")
    written: list[str] = []
    bar = _Bar("JAX", written.append)

    bar.show(images.Step("downloading jaxlib-0.10.2, 20 MB of 40 MB " + "x" * 50, 50))
    bar.say("a line")
    bar.clear()

    drawn = written[0].removeprefix("\r").removesuffix("\x1b[K")
    assert drawn.startswith("JAX " + "█" * 12 + "░" * 12 + "  50 %  downloading")
    assert 59 == len(drawn)
    assert ["\r\x1b[K", "a line\n", "\r\x1b[K"] == written[1:]


def test_a_terminal_gets_the_bar(state: StateDir, built: images.ImageEnv) -> None:
    """In a terminal the bar is drawn; a failing build ends with its sentence on a clean line."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "dllab_hub.cli", "env", "build", "jax"],
        env=os.environ | {"COLUMNS": "80"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    seen = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(master)

    # The environment has no pip: our own package cannot be renewed in it.
    assert 1 == process.wait(10)
    assert b"JAX 0.10 " + "█".encode() in seen
    assert b"No module named pip" in seen.splitlines()[-1]
