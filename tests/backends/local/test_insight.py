"""Logs of any size and content, looked through and followed where they lie."""

from __future__ import annotations

import asyncio
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest

from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.following import follow
from dllab_hub.backends.local.logs import Log
from dllab_hub.backends.local.rundir import RunDir
from dllab_hub.backends.local.searching import _PIECE, search

MIB = 1024 * 1024


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """The run directory of a job."""
    path = tmp_path / "run"
    (path / "attempts" / "1").mkdir(parents=True)
    return RunDir(path, Account(None, os.geteuid(), os.getegid(), "/"))


@pytest.fixture
def log(run: RunDir) -> Path:
    """The file of its only log."""
    return run.path / "attempts" / "1" / "worker-0.log"


OVER, LIVE = Log("worker-0", 1, True), Log("worker-0", 1, False)


def test_colours_within_a_word(run, log):
    """A text is found though the program has coloured half of it; what is shown has no colours."""
    log.write_bytes(b"ok\n\x1b[1mERR\x1b[31mOR\x1b[0m: \x1b]0;title\x07bad\n")

    (match,) = search(run, OVER, "error: bad", 0, 10).matches
    assert ("ERROR: bad", 0, 10, 3) == (match.text, match.start, match.end, match.offset)


def test_bars_and_binary(run, log):
    """Each state of a progress bar is a line; bytes that are no text hide nothing."""
    log.write_bytes(b"10 %\r20 %\r30 % lost\r\n\x00\xff\xfe lost \x9f\x92\x96\n")

    found = search(run, OVER, "lost", 0, 10).matches
    assert [(10, "30 % lost"), (21, "\ufffd\ufffd lost \ufffd\ufffd\ufffd")] == [
        (match.offset, match.text) for match in found
    ]


def test_a_line_of_50_mb(run, log):
    """It counts once, is found wherever the text lies in it, and is shown in part."""
    line = bytearray(b"x" * (50 * MIB))
    for at in (_PIECE - 3, 20 * MIB, 50 * MIB - 6):
        line[at : at + 6] = b"NEEDLE"
    log.write_bytes(b"first\n" + line + b"\nneedle at the end\n")
    began = time.perf_counter()

    found = search(run, OVER, "needle", 0, 10, patience=60).matches
    assert [6, 6 + 50 * MIB + 1] == [match.offset for match in found]
    assert len(found[0].text) < 1500
    assert "NEEDLE" == found[0].text[found[0].start : found[0].end]
    assert time.perf_counter() - began < 5


def test_a_text_across_two_pieces(run, log):
    """A long line is read in pieces; a text on the edge of two is found."""
    for at in range(_PIECE - 8, _PIECE + 2, 3):
        log.write_bytes(b"x" * at + "Größe".encode() + b"x" * MIB)
        assert 1 == len(search(run, OVER, "größe", 0, 10).matches)


def test_a_search_that_must_stop_goes_on(run, log):
    """However little time it has, the answers together are all lines, each once."""
    lines = [f"{n} {'loss' if n % 1000 == 0 else 'x' * 90}\n" for n in range(60_000)]
    log.write_text("".join(lines))
    offset, found, asked = 0, [], 0
    while offset is not None:
        answer = search(run, OVER, "loss", offset, 7, 0.0)
        assert answer.next_offset is None or answer.next_offset > offset
        offset, asked = answer.next_offset, asked + 1
        found += [match.text for match in answer.matches]

    assert [line.rstrip() for line in lines[::1000]] == found
    assert asked > 1


def test_in_the_middle_of_a_line_without_an_end(run, log):
    """A search that starts within a line of gigabytes ends in time too."""
    with log.open("wb") as file:
        file.truncate(1024**3)
    began = time.monotonic()
    found = search(run, OVER, "x", 10, 5, 0.1)

    assert found.next_offset is not None
    assert time.monotonic() - began < 1.0


def test_a_sparse_log_of_10_gb(run, log):
    """A search says after about a second how far it is; what is near the end is found at once."""
    with log.open("wb") as file:
        file.truncate(10 * 1024 * MIB)
        file.seek(0, os.SEEK_END)
        file.write(b"\nthe needle\n")
    began = time.perf_counter()
    answer = search(run, OVER, "needle", 0, 10)

    assert time.perf_counter() - began < 3
    assert () == answer.matches
    assert 0 < answer.next_offset < answer.size
    (match,) = search(run, OVER, "needle", 10 * 1024 * MIB - 100, 10).matches
    assert "the needle" == match.text


def test_a_log_that_is_a_link(run, log, tmp_path):
    """Somebody else's file is not looked into."""
    secret = tmp_path / "secret"
    secret.write_text("password\n")
    log.symlink_to(secret)

    assert () == search(run, OVER, "password", 0, 10).matches
    assert "" == OVER.piece(run, 0, 100).text


async def _again() -> Log:
    return LIVE


async def test_who_is_slow_misses_a_part(run, log):
    """Of what comes faster than it is taken a part is left out, seen by the offsets; the newest is
    told, and so is all that was there at first.
    """
    log.write_bytes(b"a" * (3 * MIB))
    over = False

    async def again() -> Log:
        return OVER if over else LIVE

    chunks = follow(run, LIVE, 0, again)
    async with asyncio.timeout(20):
        had = [await anext(chunks) for _ in range(12)]
    assert 3 * MIB == had[-1].next_offset
    with log.open("ab") as file:
        file.write(b"b" * (5 * MIB) + b"end")
    over = True
    rest = [chunk async for chunk in chunks]

    assert "a" not in "".join(chunk.text for chunk in rest)
    assert rest[-1].text.endswith("end")
    assert rest[-1].complete


async def test_a_fire_hose_is_looked_at_now_and_then(run, log):
    """Who follows 40 MB/s is told a few pieces a second, never more than is read."""
    stop = asyncio.Event()

    def write() -> None:
        with log.open("ab") as file:
            while not stop.is_set():
                file.write(b"x" * (2 * MIB))
                file.flush()
                time.sleep(0.05)

    writing = asyncio.get_running_loop().run_in_executor(None, write)
    chunks = follow(run, LIVE, 0, _again)
    began, told = time.perf_counter(), []
    async for chunk in chunks:
        told.append(chunk)
        if time.perf_counter() - began > 2:
            break
    stop.set()
    await writing
    await chunks.aclose()

    assert 8 <= len(told) <= 60
    assert any(a.next_offset < b.offset for a, b in pairwise(told))
    assert told[-1].size - told[-1].next_offset < 6 * MIB


async def test_a_download_of_a_log_that_grows(local):
    """It ends where the log ended when it was asked for."""
    job = await local.submit("ada", prints="first\n", code=None)
    log = await _has_log(local, job)
    download = await local.backend.insight.download("ada", job.id, replica="worker-0")
    with log.open("ab") as file:
        file.write(b"later\n")

    assert b"first\n" == b"".join([piece async for piece in download.pieces])
    assert 6 == download.size


async def _has_log(local, job) -> Path:
    path = local.backend.place.folder(job.id).run.path / "attempts" / "1" / "worker-0.log"
    while not path.exists() or not path.stat().st_size:
        await asyncio.sleep(0.05)
    return path


async def test_logs_whose_files_are_gone(local):
    """The end of each log that the record keeps is found, followed and downloaded."""
    job = await local.submit("ada", prints="one\ntwo ü\nthree\n")
    await local.over(job)
    await local.backend.history.remove_files("ada", job.id)
    insight, log = local.backend.insight, {"replica": "worker-0"}

    found = await insight.search("ada", job.id, "TWO", **log)
    assert [(4, "two ü")] == [(match.offset, match.text) for match in found.matches]
    chunks = [chunk async for chunk in await insight.follow("ada", job.id, **log)]
    assert [("one\ntwo ü\nthree\n", True)] == [(chunk.text, chunk.complete) for chunk in chunks]
    download = await insight.download("ada", job.id, **log)
    pieces = b"".join([piece async for piece in download.pieces])
    assert ("one\ntwo ü\nthree\n".encode(), 17) == (pieces, download.size)


async def test_curves_whose_files_are_gone(local, make_spec):
    """Those that the record keeps, by kind."""
    source = "from dllab_hub.runtime.report import report\nimport time\n"
    source += "for n in range(5):\n    report(n, loss=1 / (n + 1))\n    time.sleep(0.3)\n"
    job = await local.backend.submit("ada", make_spec(source=source))
    done = await local.over(job)
    insight = local.backend.insight
    before = await insight.curves("ada", job.id, "metrics")
    await local.backend.history.remove_files("ada", job.id)
    after = await insight.curves("ada", job.id, "metrics")

    assert ["loss"] == [curve.name for curve in after.curves], done.reason
    assert before.curves[0].values == after.curves[0].values
    usage = await insight.curves("ada", job.id, "usage")
    assert {"cpu", "memory"} >= {curve.name for curve in usage.curves}
