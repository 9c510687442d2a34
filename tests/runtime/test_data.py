"""`runtime.data`: volumes as code in a lab or a job sees them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from buckets import Buckets, s3_server, variable

from dllab_hub.runtime.data import VOLUMES, VolumeError, open_volume, volumes


@pytest.fixture(scope="module")
def s3() -> Iterator[Buckets]:
    """An S3 server."""
    with s3_server() as buckets:
        yield buckets


@pytest.fixture
def offered(s3: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Buckets:
    """A bucket, the same one read-only, and a directory."""
    monkeypatch.setenv(
        VOLUMES,
        variable(
            bucket=s3.about("s3://team/data"),
            shelf=s3.about("s3://team/data", read_only=True, place="/data/shelf"),
            disk={"path": str(tmp_path), "title": "Disk"},
        ),
    )
    return s3


def test_which_there_are(offered: Buckets) -> None:
    """Their names, places and addresses; a key is in none of the words that they print."""
    there = volumes()

    assert ["bucket", "shelf", "disk"] == list(there)
    assert (there["bucket"].url, there["bucket"].path) == ("s3://team/data", "")
    assert ("data/bucket", "/data/shelf") == (there["bucket"].place, there["shelf"].place)
    assert there["shelf"].read_only
    assert there["bucket"].options["secret"] not in repr(there)


def test_none_outside_a_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable there are none, and asking for one says so."""
    monkeypatch.delenv(VOLUMES, raising=False)
    assert {} == volumes()
    with pytest.raises(VolumeError, match="It has none"):
        open_volume("bucket")
    for damaged in ("[]", "{", '{"a": 1}'):
        monkeypatch.setenv(VOLUMES, damaged)
        with pytest.raises(VolumeError, match="damaged"):
            volumes()


def test_a_bucket_and_a_directory_open_alike(offered: Buckets, tmp_path: Path) -> None:
    """Paths start at the top of the volume; what is written is where it belongs."""
    for name in ("bucket", "disk"):
        files = open_volume(name)
        with files.open("a.txt", "w") as file:
            file.write("hello")
        assert files.cat("a.txt") == b"hello"
        assert "a.txt" in files.ls("", detail=False)
    assert offered.files().cat("team/data/a.txt") == b"hello"
    assert (tmp_path / "a.txt").read_text() == "hello"
    with pytest.raises(VolumeError, match="It has: bucket, shelf, disk"):
        open_volume("nas")


def test_what_others_write_is_seen(offered: Buckets) -> None:
    """A listing is never one from before."""
    files = open_volume("bucket")
    files.pipe_file("seen/1", b"")
    assert ["seen/1"] == files.ls("seen", detail=False)
    offered.files().pipe_file("team/data/seen/2", b"")
    assert ["seen/1", "seen/2"] == files.ls("seen", detail=False)


def test_a_read_only_volume(offered: Buckets) -> None:
    """It is read, also by another process that gets it pickled, and refuses every change."""
    open_volume("bucket").pipe_file("a.txt", b"kept")
    files = open_volume("shelf")
    again = pickle.loads(pickle.dumps(files))
    assert files.cat("a.txt") == again.cat("a.txt") == b"kept"
    with files.open("a.txt") as file:
        assert file.read() == b"kept"

    for change in (
        lambda: files.open("a.txt", "wb"),
        lambda: files.open("a.txt", mode="a"),
        lambda: files.rm("a.txt"),
        lambda: files.mv("a.txt", "b.txt"),
        lambda: files.pipe_file("a.txt", b""),
        lambda: files.put_file(__file__, "a.txt"),
        lambda: files.mkdir("new"),
        lambda: files.write_text("a.txt", "x"),
        lambda: again.rm("a.txt"),
    ):
        with pytest.raises(PermissionError, match="read-only"):
            change()
    assert offered.files().cat("team/data/a.txt") == b"kept"


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the package; where options are wrong it repeats none of them."""
    monkeypatch.setenv(
        VOLUMES,
        variable(
            far={"url": "lakefs://repo/main"},
            odd={"url": "s3://team", "options": {"endpoint_url": 7, "secret": "do-not-tell"}},
            strange={"url": "nosuchthing://x"},
        ),
    )
    with pytest.raises(VolumeError, match="%pip install lakefs_spec") as caught:
        open_volume("far")
    assert caught.value.package == "lakefs_spec"
    with pytest.raises(VolumeError, match="address or options are wrong"):
        open_volume("strange")


def test_a_bare_interpreter(tmp_path: Path) -> None:
    """The module needs nothing but Python to be imported, and says what it needs to open one."""
    code = "from dllab_hub.runtime.data import *; print(list(volumes())); open_volume('b')"
    package = Path(sys.modules["dllab_hub"].__file__ or "").parents[1]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={VOLUMES: variable(b={"url": "s3://x"}), "PYTHONPATH": str(package), **_path()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "['b']" in done.stdout
    assert "the volume b needs fsspec" in done.stderr
    assert "%pip install fsspec" in done.stderr


def _path() -> dict[str, str]:
    return {"PATH": os.environ["PATH"]}
