"""What a shim writes down."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from dllab_hub.shim.record import NO_ROOM, Events, read_exit, read_json, write_atomic
from dllab_hub.shim.writing import ExitRecord, flat_json


def test_an_exit_record_says_nothing_until_the_end(tmp_path: Path) -> None:
    """The record's room is there from the start; its text only at the end."""
    path = tmp_path / "exit.rec"
    record = ExitRecord(path)
    assert bytes(4096) == path.read_bytes()
    assert read_exit(path) is None

    record.write("FAILED", "worker-0 exited with code 3.", 2, 61.5)

    found = read_exit(path)
    assert found is not None
    assert isinstance(found.pop("ended"), float)
    reason = "worker-0 exited with code 3."
    assert {"state": "FAILED", "reason": reason, "attempt": 2, "ran": 61.5} == found
    assert (4096, b"\n") == (path.stat().st_size, path.read_bytes()[-1:])


@pytest.mark.parametrize("text", ["x" * 10000, "深" * 5000, "\0" * 5000])
def test_a_long_reason_is_cut(tmp_path: Path, text: str) -> None:
    """A reason that has no room loses its end, not the record."""
    record = ExitRecord(tmp_path / "exit.rec")

    record.write("FAILED", text, 1)

    found = read_exit(tmp_path / "exit.rec")
    assert found is not None
    assert text[:100] == found["reason"][:100]


def test_a_record_that_is_used_again_is_empty(tmp_path: Path) -> None:
    """A lab that starts again in the same directory has not ended yet."""
    ExitRecord(tmp_path / "exit.rec").write("SUCCEEDED", "", 1)

    ExitRecord(tmp_path / "exit.rec")

    assert read_exit(tmp_path / "exit.rec") is None


def test_the_end_is_recorded_on_a_full_disk(small_disk: Path) -> None:
    """Its room was taken at the start, so no full disk can lose an exit code; other files can."""
    record = ExitRecord(small_disk / "exit.rec")
    write_atomic(small_disk / "state.json", {"state": "RUNNING"})
    with (small_disk / "full").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))

    record.write("FAILED", "worker-0 exited with code 5.", 1)
    with pytest.raises(OSError, match="No space"):
        write_atomic(small_disk / "state.json", {"state": "FAILED", "more": "x" * 9000})
    Events(small_disk / "events.jsonl").add("Failed", "lost.")

    assert "FAILED" == (read_exit(small_disk / "exit.rec") or {})["state"]
    assert {"state": "RUNNING"} == read_json(small_disk / "state.json")
    assert not list(small_disk.glob(".*"))


def test_a_disk_that_nobody_may_write_to_loses_events(small_disk: Path) -> None:
    """A broken disk becomes read-only; that is no end of a job either."""
    events = Events(small_disk / "events.jsonl")
    events.add("Started", "before.")
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(remount, check=True)

    events.add("Failed", "lost.")
    with pytest.raises(OSError, match="Read-only") as caught:
        write_atomic(small_disk / "state.json", {"state": "FAILED"})

    assert caught.value.errno in NO_ROOM
    assert 1 == len((small_disk / "events.jsonl").read_text().splitlines())


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'{"pid": 1'])
def test_a_damaged_file_is_no_file(tmp_path: Path, content: bytes) -> None:
    """A truncated shim.json is unknown, not a crash."""
    (tmp_path / "shim.json").write_bytes(content)

    assert read_json(tmp_path / "shim.json") is None
    assert read_json(tmp_path / "missing.json") is None


@pytest.mark.parametrize(
    "text", ["", 'the lab\'s "server" \\ ended\n', "深度学习 😀 \x00\x7f\x1f é", "\udcff lone"]
)
def test_flat_json_is_json(text: str) -> None:
    """What is written without the json module reads back as it was, in ASCII."""
    data = {"state": text, "pid": 12, "ended": 1784000000.25, text: "x"}
    written = flat_json(data)

    assert data == json.loads(written)
    assert written.isascii()
