"""Downloads of a build go on where they stopped, and are what the index says."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Files
from small_wheel import wheel

from dllab_hub import images
from dllab_hub.errors import StorageFull, Unavailable
from dllab_hub.images import wheels
from dllab_hub.images.wheels import Wheel, Wheels, read_report
from dllab_hub.state import StateDir

CONTENT = bytes(range(256)) * 8192  # 2 MiB


@pytest.fixture
def server() -> Iterator[Files]:
    serving = Files()
    serving.files["big-1-py3-none-any.whl"] = CONTENT
    yield serving
    serving.shutdown()
    serving.server_close()


def big(server: Files, sha256: str = hashlib.sha256(CONTENT).hexdigest()) -> Wheel:
    return Wheel("big", "1", server.url("big-1-py3-none-any.whl"), sha256, len(CONTENT))


def fetch(folder: Path, *files: Wheel) -> list[Path]:
    return Wheels(folder).fetch(files, lambda done, name: None)


def test_a_download_goes_on_where_it_stopped(server: Files, tmp_path: Path) -> None:
    """Only what is missing travels again, and the file is whole."""
    (tmp_path / "big-1-py3-none-any.whl.part").write_bytes(CONTENT[:1_000_000])

    [place] = fetch(tmp_path, big(server))

    assert CONTENT == place.read_bytes()
    assert [("big-1-py3-none-any.whl", "bytes=1000000-")] == server.asked
    assert [place] == [*tmp_path.iterdir()]


def test_a_connection_that_breaks_is_made_anew(
    server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gigabyte does not start over for it, and no byte is counted twice."""
    monkeypatch.setattr(wheels, "_PAUSE", 0.01)
    server.breaks = 2
    told: list[int] = []

    [place] = Wheels(tmp_path).fetch([big(server)], lambda done, name: told.append(done))

    assert CONTENT == place.read_bytes()
    half = len(CONTENT) // 2
    assert ["", f"bytes={half}-", f"bytes={half + half // 2}-"] == [had for _, had in server.asked]
    assert len(CONTENT) == told[-1] == max(told)


def test_what_is_there_is_not_asked_for(server: Files, tmp_path: Path) -> None:
    """A second build downloads nothing."""
    fetch(tmp_path, big(server))
    fetch(tmp_path, big(server))

    assert 1 == len(server.asked)


def test_a_server_without_ranges_sends_it_all(server: Files, tmp_path: Path) -> None:
    """The part that was there does not come twice into the file."""
    server.ranges = False
    (tmp_path / "big-1-py3-none-any.whl.part").write_bytes(CONTENT[:1_000_000])

    assert CONTENT == fetch(tmp_path, big(server))[0].read_bytes()


@pytest.mark.parametrize("part", [b"x" * 1000, CONTENT + b"more"])
def test_a_damaged_part_is_found_out(server: Files, tmp_path: Path, part: bytes) -> None:
    """A file is installed only when it is what the index says; after that the part is gone."""
    (tmp_path / "big-1-py3-none-any.whl.part").write_bytes(part)

    try:
        fetch(tmp_path, big(server))
    except Unavailable as exc:
        assert "is not the file that the index names" in exc.message
    assert CONTENT == fetch(tmp_path, big(server))[0].read_bytes()


def test_a_file_without_a_digest_starts_over(server: Files, tmp_path: Path) -> None:
    """Nobody could tell whether an old start belongs to it."""
    (tmp_path / "big-1-py3-none-any.whl.part").write_bytes(b"old")

    assert CONTENT == fetch(tmp_path, big(server, sha256=""))[0].read_bytes()


def test_a_file_that_is_gone_is_said(server: Files, tmp_path: Path) -> None:
    """The message names the file."""
    gone = Wheel("gone", "1", server.url("gone-1.whl"), "0" * 64, 1)

    with pytest.raises(Unavailable, match=r"gone-1\.whl cannot be downloaded"):
        fetch(tmp_path, big(server), gone)


def test_a_full_disk_is_said(
    server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no fault of the network, and the next build goes on."""

    def full(self: Wheels, *args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Wheels, "_download", full)

    with pytest.raises(StorageFull, match="the disk is full"):
        fetch(tmp_path, big(server))


def test_files_of_this_machine_are_not_copied(tmp_path: Path) -> None:
    """A local index costs no room twice."""
    here = tmp_path / "index" / "big-1-py3-none-any.whl"
    here.parent.mkdir()
    here.write_bytes(b"x")

    [place] = fetch(tmp_path / "kept", Wheel("big", "1", here.as_uri(), "", 1))

    assert place.is_symlink()
    assert here == place.resolve()


def test_progress_adds_up(server: Files, tmp_path: Path) -> None:
    """The bytes of all files are told, those that were there before too."""
    server.files["small-1-py3-none-any.whl"] = b"s" * 1000
    digest = hashlib.sha256(b"s" * 1000).hexdigest()
    small = Wheel("small", "1", server.url("small-1-py3-none-any.whl"), digest, 1000)
    fetch(tmp_path, small)
    told: list[int] = []

    Wheels(tmp_path).fetch([small, big(server)], lambda done, name: told.append(done))

    assert sorted(told) == told
    assert len(CONTENT) + 1000 == told[-1]


def test_a_plan_is_remembered_for_a_day(
    server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted build goes on with the same files; after a day there may be newer ones."""
    kept = Wheels(tmp_path)
    kept.remember([big(server)])
    today = kept.remembered()
    monkeypatch.setattr(wheels, "_FRESH", -1.0)

    assert [big(server)] == today
    assert [] == kept.remembered()
    assert len(CONTENT) == kept.missing(today)


@pytest.mark.parametrize("text", ["", "[]", '{"time": 1e12, "wheels": [{"x": 1}]}'])
def test_a_damaged_plan_is_looked_up_again(tmp_path: Path, text: str) -> None:
    """It is no reason to fail."""
    (tmp_path / "plan.json").write_text(text)

    assert [] == Wheels(tmp_path).remembered()


def test_a_checkout_is_left_to_pip() -> None:
    """A requirement that is no file cannot be fetched here."""
    wheel = {
        "metadata": {"name": "a", "version": "1"},
        "download_info": {
            "url": "https://x.example/a-1.whl",
            "archive_info": {"hashes": {"sha256": "0"}},
        },
    }
    checkout = {"metadata": {"name": "b", "version": "1"}, "download_info": {"vcs_info": {}}}

    found = [Wheel("a", "1", "https://x.example/a-1.whl", "0", 5)]
    assert (found, True) == read_report({"install": [wheel]}, lambda urls: [5])
    assert (found, False) == read_report({"install": [wheel, checkout]}, lambda urls: [5])


def test_plan_is_json(server: Files, tmp_path: Path) -> None:
    """An administrator can read what an interrupted build was about to download."""
    Wheels(tmp_path).remember([big(server)])

    assert "big" == json.loads((tmp_path / "plan.json").read_text())["wheels"][0]["name"]


@pytest.mark.long
def test_a_killed_build_goes_on(server: Files, tmp_path: Path) -> None:
    """After SIGKILL in the middle of a file nobody builds; the next build asks for the rest."""
    state = StateDir(tmp_path / "state", tmp_path / "envs")
    made = wheel(tmp_path, "heavy", "1.0", padding="x" * 4_000_000).read_bytes()
    server.files["heavy-1.0-py3-none-any.whl"] = made
    source = state.root / "images" / "heavy"
    source.mkdir(parents=True)
    (source / "requirements.txt").write_text(
        f"heavy @ {server.url('heavy-1.0-py3-none-any.whl')}\n"
    )
    (source / "image.toml").write_text('title = "Heavy"\nframework = "x"\nversion = "1"\n')
    server.stall_at, server.stalls_from = len(made) // 2, 2  # The first is pip's look at it.
    builder = subprocess.Popen(
        [sys.executable, "-m", "dllab_hub.cli", "env", "build", "heavy"],
        env={"DLLAB_HOME": str(state.root), "DLLAB_ENVS": str(state.envs), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
    )
    assert server.stalled.wait(120)
    part = images.named(state, "heavy").path.with_suffix(".downloads")
    [part] = wait_for(lambda: [p for p in part.glob("*.part") if p.stat().st_size])
    during = images.named(state, "heavy").image
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    after, have = images.named(state, "heavy").image.state, part.stat().st_size
    server.stall_at = None
    said: list[str] = []

    env = images.build(state, "heavy", said.append)

    assert ("building", "missing") == (during.state, after)
    assert re.match(r"\d+ %: downloading heavy-1.0, \d MB of 4 MB", during.progress)
    assert ("heavy-1.0-py3-none-any.whl", f"bytes={have}-") == server.asked[-1]
    assert any("going on where the last build stopped" in line for line in said)
    assert env.ready
    assert not part.parent.exists()


def wait_for(look: object) -> list[Path]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if found := look():  # type: ignore[operator]
            return found  # type: ignore[no-any-return]
        time.sleep(0.05)
    raise AssertionError("it did not come")
