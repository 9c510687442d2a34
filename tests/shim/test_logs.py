"""The logs of an attempt."""

import stat
from pathlib import Path

import pytest

from dllab_hub.shim.logs import TAIL_BYTES, Logs


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path / "1", ["worker-0", "worker-1"])


def test_lines_are_merged_in_order_of_arrival(logs: Logs, tmp_path: Path) -> None:
    """The merged log has whole lines with their replica; each replica's log has its bytes."""
    logs.write("worker-0", b"one\ntw")
    logs.write("worker-1", b"uno\n\xff\n")
    logs.write("worker-0", b"o\nthree")
    logs.end("worker-0")
    logs.end("worker-1")
    logs.close()

    merged = b"[worker-0] one\n[worker-1] uno\n[worker-1] \xff\n[worker-0] two\n[worker-0] three\n"
    assert merged == (tmp_path / "1" / "all.log").read_bytes()
    assert b"one\ntwo\nthree" == (tmp_path / "1" / "worker-0.log").read_bytes()
    assert 0o600 == stat.S_IMODE((tmp_path / "1" / "all.log").stat().st_mode)


def test_an_endless_line_is_broken(logs: Logs, tmp_path: Path) -> None:
    """64 KiB without a newline become a line, so that memory stays bounded."""
    for _ in range(20):
        logs.write("worker-0", b"x" * 10000)
    logs.end("worker-0")
    logs.close()

    lines = (tmp_path / "1" / "all.log").read_bytes().splitlines()
    assert [65536, 65536, 65536, 200000 - 3 * 65536] == [len(line) - 11 for line in lines]
    assert TAIL_BYTES == len(logs.tail("worker-0"))


def test_a_full_disk_loses_lines_and_counts_them(small_disk: Path) -> None:
    """What has no room is dropped and counted; when there is room again the logs go on."""
    logs = Logs(small_disk / "1", ["worker-0"])
    line = b"x" * 99 + b"\n"
    for _ in range(3000):
        logs.write("worker-0", line)
    lost = logs.dropped
    logs.write("worker-0", line)
    assert lost + 100 == logs.dropped > 100_000

    (small_disk / "1" / "worker-0.log").write_bytes(b"")
    logs.write("worker-0", b"again\n")
    logs.close()

    assert "again\n" == logs.tail("worker-0")[-6:]
    assert b"again\n" == (small_disk / "1" / "worker-0.log").read_bytes()
    assert b"[worker-0] again" == (small_disk / "1" / "all.log").read_bytes().splitlines()[-1]
