"""The newest checkpoint that a framework can go on from."""

from __future__ import annotations

import os
import struct
import time
import zipfile
from pathlib import Path

import pytest
from checkpoint_files import MAKERS, archive, cut, hdf5, safetensors

from dllab_hub.runtime.resume import newest, whole
from dllab_hub.runtime.wholeness import is_whole

#: Format -> what its framework wants to be given for step 7.
PLACES = {
    "dllab": "step-00000007",
    "torch-distributed": "step_7",
    "huggingface": "checkpoint-7",
    "lightning": "epoch=9-step=7.ckpt",
    "tensorflow": "ckpt-7",
    "keras": "07-0.25.weights.h5",
}


@pytest.mark.parametrize("format", sorted(MAKERS))
def test_a_torn_one_is_skipped(tmp_path: Path, format: str) -> None:
    """What was cut short by a kill is not gone on from; the one before is."""
    MAKERS[format](tmp_path, 7)
    torn = MAKERS[format](tmp_path, 12)
    assert [12, 7] == [found.step for found in whole(format, tmp_path)]
    cut(torn)

    assert str(tmp_path / PLACES[format]) == newest(format, tmp_path)


def test_nothing_to_go_on_from(tmp_path: Path) -> None:
    """Without a checkpoint there is none, nor without a directory, nor of another format."""
    assert None is newest("huggingface", tmp_path / "new")
    assert None is newest("huggingface", tmp_path)
    MAKERS["lightning"](tmp_path, 3)
    assert None is newest("huggingface", tmp_path)
    assert str(tmp_path / "epoch=9-step=3.ckpt") == newest(dir=tmp_path)


def test_a_format_that_is_unknown() -> None:
    """A name that was mistyped is an error and not a start from the beginning."""
    with pytest.raises(ValueError, match="there is no format 'hf'; there are dllab, torch-dist"):
        newest("hf")


def test_where_it_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the job's own directory counts; outside of a lab ``checkpoints``."""
    MAKERS["keras"](tmp_path / "job", 1)
    MAKERS["keras"](tmp_path / "checkpoints", 2)
    monkeypatch.chdir(tmp_path)
    assert os.path.join("checkpoints", "02-0.25.weights.h5") == newest("keras")
    monkeypatch.setenv("DLLAB_CHECKPOINT_DIR", str(tmp_path / "job"))

    assert str(tmp_path / "job" / "01-0.25.weights.h5") == newest("keras")


def test_one_file_of_hugging_face_that_is_torn(tmp_path: Path) -> None:
    """Resuming reads the optimizer too: half of it counts as much as half of the model."""
    for step in (7, 12):
        MAKERS["huggingface"](tmp_path, step)
    cut(tmp_path / "checkpoint-12" / "optimizer.pt")

    assert str(tmp_path / "checkpoint-7") == newest("huggingface", tmp_path)


class Opened:
    """A file as `is_whole` reads it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, length: int, at: int) -> bytes:
        assert at >= 0
        return self._data[at : at + length]


@pytest.mark.parametrize("name", ["x.pt", "x.safetensors", "x.weights.h5"])
def test_cut_anywhere(tmp_path: Path, name: str) -> None:
    """A file that lacks any number of its last bytes, or all of them, is not whole."""
    path = tmp_path / name
    {"x.pt": archive, "x.safetensors": safetensors, "x.weights.h5": hdf5}[name](path)
    data = path.read_bytes()
    assert is_whole(name, Opened(data))

    assert [] == [n for n in range(len(data)) if is_whole(name, Opened(data[:n]))]


@pytest.mark.parametrize("name", ["x.pt", "x.safetensors", "x.h5", "x.index", "x.ckpt", "x.json"])
def test_blocks_that_never_reached_the_disk(name: str) -> None:
    """A file of the right size that is all zeros, as a power cut leaves it, is not whole."""
    assert not is_whole(name, Opened(bytes(5000)))


def test_a_large_archive(tmp_path: Path) -> None:
    """The end of an archive of the 64-bit kind, as torch writes those over 4 GB, is understood."""
    path = tmp_path / "x.pt"
    archive(path)
    data = path.read_bytes()
    small = data[-22:]
    length, start = struct.unpack("<II", small[12:20])
    large = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, length, start)
    where = struct.pack("<4sIQI", b"PK\6\7", 0, len(data) - 22, 1)
    data = data[:-22] + large + where + small[:12] + b"\xff" * 8 + small[20:]
    path.write_bytes(data)
    assert ["archive/data.pkl"] == zipfile.ZipFile(path).namelist()
    assert is_whole("x.pt", Opened(data))

    assert not is_whole("x.pt", Opened(data[:400] + data[401:]))
    assert [] == [n for n in range(len(data)) if is_whole("x.pt", Opened(data[:n]))]


def test_an_archive_whose_list_lost_something(tmp_path: Path) -> None:
    """Bytes that are missing between the beginning of the list of entries and its end are seen."""
    archive(tmp_path / "x.pt")
    data = (tmp_path / "x.pt").read_bytes()
    at = data.index(b"PK\1\2") + 10

    assert is_whole("x.pt", Opened(data))
    assert not is_whole("x.pt", Opened(data[:at] + data[at + 1 :]))


def test_the_newest_is_found_quickly(tmp_path: Path) -> None:
    """Looking for the newest of many does not read all of them."""
    for step in range(1, 301):
        MAKERS["lightning"](tmp_path, step)
    before = time.thread_time()
    for _ in range(20):
        assert str(tmp_path / "epoch=9-step=300.ckpt") == newest("lightning", tmp_path)

    assert (time.thread_time() - before) / 20 < 0.05


def test_a_save_that_tensorflow_does_not_know(tmp_path: Path) -> None:
    """A checkpoint whose files are whole counts only when the manager has put it on its list; of a
    writer without a list, a moment later."""
    index = MAKERS["tensorflow"](tmp_path, 7)
    newer = MAKERS["tensorflow"](tmp_path, 8)
    listed = tmp_path / "checkpoint"
    written = newer.stat().st_mtime

    os.utime(listed, (written - 1, written - 1))
    os.utime(index, (written - 2, written - 2))
    assert str(tmp_path / "ckpt-7") == newest("tensorflow", tmp_path)
    listed.unlink()
    assert None is newest("tensorflow", tmp_path)
    os.utime(newer, (written - 9, written - 9))
    assert str(tmp_path / "ckpt-8") == newest("tensorflow", tmp_path)
