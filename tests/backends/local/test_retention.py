"""How long files of jobs that have ended are kept, as an administrator says."""

from __future__ import annotations

import time

import pytest

from dllab_hub.backends.local.retention import policy_of
from dllab_hub.errors import DLLabError, InvalidRequest
from dllab_hub.specs import Annotation, JobState

DAY = 24 * 3600


@pytest.fixture
def say(a_state):
    """Writes ``[history]`` in the catalog's file."""

    def say(text: str) -> None:
        (a_state.root / "catalog.toml").write_text(f"[history]\n{text}\n")

    return say


@pytest.fixture
def apply(local):
    """Applies the policy as if so many seconds had passed."""
    retention = local.backend.history._retention
    return lambda after=0: retention.apply(time.time() + after)


async def test_without_a_policy(local, apply):
    """Nothing is removed when nobody has said so."""
    job = await local.over(await local.submit("ada"))

    assert () == await apply(1000 * DAY)
    assert (await local.backend.get("ada", job.id)).files


async def test_days(local, say, apply):
    """Files go so many days after the end; favourites and what has not ended keep theirs."""
    say("keep_files_days = 30")
    old, favourite = [await local.over(await local.submit("ada")) for _ in range(2)]
    paused = await local.submit("ada", code=None)
    await local.state(paused, JobState.RUNNING)
    await local.backend.pause("ada", paused.id)
    await local.state(paused, JobState.PAUSED)
    await local.backend.history.annotate("ada", favourite.id, Annotation(favourite=True))
    early, late = await apply(29 * DAY), await apply(31 * DAY)
    events = await local.backend.events("ada", old.id)

    assert ((), (old.id,)) == (early, late)
    assert not (await local.backend.get("ada", old.id)).files
    assert "30 days" in events[-1].message
    for kept in (favourite, paused):
        assert (await local.backend.get("ada", kept.id)).files


async def test_gigabytes(local, say, apply):
    """Beyond so many gigabytes of one person the oldest go first; others keep theirs."""
    say("keep_files_gb = 0.005")
    writes = "open('large', 'wb').write(b'x' * 3_000_000)"
    jobs = []
    for owner in ("ada", "ada", "grace", "ada"):
        spec = (await local.over(await local.submit(owner))).spec
        code = spec.code.model_copy(update={"source": writes})
        job = await local.backend.submit(owner, spec.model_copy(update={"code": code}))
        jobs.append(await local.over(job))
    gone = await apply()

    assert {jobs[0].id, jobs[1].id} <= set(gone)
    for kept in jobs[2:]:
        assert (await local.backend.get(kept.owner, kept.id)).files
    assert () == await apply()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("keep_files_days = -1", "history.keep_files_days"),
        ("keep_files_days = 0", "history.keep_files_days"),
        ("keep_files_days = nan", "keep_files_days"),
        ('keep_files_gb = "200"', "history.keep_files_gb"),
        ("keep_files = 3", "history.keep_files"),
    ],
)
async def test_a_policy_that_is_wrong(local, a_state, say, apply, text, key):
    """A wrong policy is named, and removes nothing."""
    say(text)
    job = await local.over(await local.submit("ada"))
    with pytest.raises(DLLabError, match="history"):
        policy_of(a_state)
    with pytest.raises(DLLabError):
        await apply(1000 * DAY)

    assert (await local.backend.get("ada", job.id)).files


async def test_one_that_cannot_be_removed(local, say, apply, monkeypatch):
    """A job whose files cannot be removed keeps nobody else's."""
    say("keep_files_days = 30")
    first, second = [await local.over(await local.submit("ada")) for _ in range(2)]
    retention = local.backend.history._retention
    clear = retention._clear

    async def fails(owner: str, id: str, why: str):
        if id == first.id:
            raise InvalidRequest("its record cannot be made.")
        return await clear(owner, id, why)

    monkeypatch.setattr(retention, "_clear", fails)

    assert (second.id,) == await apply(31 * DAY)
    assert (await local.backend.get("ada", first.id)).files


async def test_a_favourite_while_others_are_removed(local, say, apply, monkeypatch):
    """A job that becomes a favourite, or goes on, while others are removed keeps its files."""
    say("keep_files_days = 30")
    jobs = [await local.over(await local.submit("ada", code=3)) for _ in range(3)]
    retention = local.backend.history._retention
    clear = retention._clear

    async def slow(owner: str, id: str, why: str):
        await local.backend.history.annotate("ada", jobs[1].id, Annotation(favourite=True))
        await local.backend.resume("ada", jobs[2].id)
        await local.over(jobs[2])
        return await clear(owner, id, why)

    monkeypatch.setattr(retention, "_clear", slow)

    assert (jobs[0].id,) == await apply(31 * DAY)
    for kept in jobs[1:]:
        assert (await local.backend.get("ada", kept.id)).files
