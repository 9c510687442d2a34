"""Logs at length, by the same words from every backend."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dllab_hub.errors import InvalidRequest, NotFound
from dllab_hub.specs import JobLimits

TEXT = "".join(f"step {n} loss 0.{n}\n" for n in range(300)) + "Fehler: Größe\nCUDA ERROR\n"


async def test_a_search_finds_lines(place):
    """Lines that hold a text, whatever its case, with the place of the text in each."""
    job = await place.submit("ada", prints=TEXT)
    await place.over(job)

    found = await place.backend.insight.search("ada", job.id, "error", replica="worker-0")
    size = len(TEXT.encode())
    (match,) = found.matches
    assert ("CUDA ERROR", "ERROR") == (match.text, match.text[match.start : match.end])
    assert (size - len("CUDA ERROR\n"), size, None) == (match.offset, found.size, found.next_offset)
    umlauts = await place.backend.insight.search("ada", job.id, "GRÖßE", replica="worker-0")
    assert ["Fehler: Größe"] == [match.text for match in umlauts.matches]
    merged = await place.backend.insight.search("ada", job.id, "cuda")
    assert ["[worker-0] CUDA ERROR"] == [match.text for match in merged.matches]


async def test_a_search_goes_on(place):
    """What is more than asked for follows from where the answer says, nothing twice."""
    job = await place.submit("ada", prints=TEXT)
    await place.over(job)
    offset, lines = 0, []
    while offset is not None:
        found = await place.backend.insight.search(
            "ada", job.id, "loss", replica="worker-0", offset=offset, limit=70
        )
        lines += [match.text for match in found.matches]
        offset = found.next_offset

    assert TEXT.splitlines()[:300] == lines


async def test_a_search_from_within_a_line(place):
    """A line that begins before the offset is not found again."""
    job = await place.submit("ada", prints="loss 1\nloss 2\n")
    await place.over(job)

    found = await place.backend.insight.search("ada", job.id, "loss", replica="worker-0", offset=1)
    assert [7] == [match.offset for match in found.matches]


async def test_following_tells_all(place):
    """Who follows gets what is there and what comes, and then it is over."""
    job = await place.submit("ada", prints=TEXT)
    chunks = await place.backend.insight.follow("ada", job.id, replica="worker-0")
    pieces = [chunk async for chunk in chunks]

    assert TEXT == "".join(piece.text for piece in pieces)
    assert pieces[-1].complete
    assert all(a.next_offset == b.offset for a, b in pairwise(pieces))


async def test_a_download_is_the_log(place):
    """All of it, with its size and a name that says what it is."""
    job = await place.submit("ada", prints=TEXT)
    await place.over(job)

    log = await place.backend.insight.download("ada", job.id, replica="worker-0")
    assert TEXT.encode() == b"".join([piece async for piece in log.pieces])
    assert (len(TEXT.encode()), f"{job.id}-worker-0-attempt-1.log") == (log.size, log.name)


@pytest.mark.parametrize("wrong", [{"replica": "worker-7"}, {"attempt": 5}])
async def test_logs_that_are_not_there(place, wrong):
    """A replica or an attempt that there is not is said to be none, by each of the three."""
    job = await place.submit("ada", prints="x\n")
    await place.over(job)
    insight = place.backend.insight

    with pytest.raises(NotFound):
        await insight.search("ada", job.id, "x", **wrong)
    with pytest.raises(NotFound):
        await insight.download("ada", job.id, **wrong)
    chunks = await insight.follow("ada", job.id, **wrong)
    with pytest.raises(NotFound):
        await anext(chunks)


async def test_a_wrong_search(place):
    """Nothing to look for, or a line break in it, is refused."""
    job = await place.submit("ada", prints="x\n")

    for text in ("", "a\nb", "x" * 201):
        with pytest.raises(InvalidRequest):
            await place.backend.insight.search("ada", job.id, text)


async def test_a_quota_refuses_only_gpus(place, make_spec):
    """Who wishes for none, has no limit, or has used less than it, is not refused."""
    for gpus, hours in ((0, 0.0), (8, None), (8, 1.0)):
        wish = make_spec("asked", gpus=gpus)
        await place.backend.insight.check_quota("ada", wish, JobLimits(gpu_hours=hours))


async def test_other_peoples_logs(place):
    """Nobody looks into the logs of somebody else."""
    job = await place.submit("ada", prints="x\n")
    insight = place.backend.insight

    with pytest.raises(NotFound):
        await insight.search("grace", job.id, "x")
    with pytest.raises(NotFound):
        await insight.download("grace", job.id)
    with pytest.raises(NotFound):
        await anext(await insight.follow("grace", job.id))
    with pytest.raises(NotFound):
        await insight.stacks("grace", job.id)
