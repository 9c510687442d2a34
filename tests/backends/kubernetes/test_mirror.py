"""The copy that keeps itself up to date, and row 23 of the fault matrix: events in any disorder.

On loopback; see `fake_api` for what that leaves open. The mirrors are in a hurry: their seconds are
hundredths.
"""

from __future__ import annotations

import asyncio
import copy
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from fake_api import FakeApi
from mirrored import Following, Quick, phases, pod, until, watched

from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.kinds import NODES, PODS
from dllab_hub.backends.kubernetes.mirror import Mirror

# While all is well.


async def test_it_follows(fake: FakeApi, api: Api, following: Following) -> None:
    """What comes, changes and goes is seen, with one list and one watch."""
    fake.put(PODS, pod("a"))
    fake.put(PODS, {**pod("x"), "metadata": {"namespace": "other", "name": "x"}})
    mirror = following(api)
    assert not mirror.live
    assert "the lab has not heard from its cluster yet." == mirror.trouble
    assert await mirror.synced(5)
    assert {"a": "Pending"} == phases(mirror)
    await watched(fake)

    fake.put(PODS, pod("b"))
    fake.put(PODS, pod("a", "Running"))
    await until(lambda: phases(mirror) == {"a": "Running", "b": "Pending"})
    fake.remove(PODS, "labs", "a")
    await until(lambda: phases(mirror) == {"b": "Pending"})

    assert (True, "") == (mirror.live, mirror.trouble)
    assert 4 == following.changes
    assert ["list", "watch"] == [each.verb for each in fake.requests]
    assert "true" == fake.requests[1].query["allowWatchBookmarks"]
    assert 300 <= int(fake.requests[1].query["timeoutSeconds"]) <= 360


async def test_a_thousand_idle_objects(fake: FakeApi, api: Api, following: Following) -> None:
    """They cost two pages and a watch, and then nothing."""
    for n in range(1000):
        fake.put(PODS, pod(f"p{n:03}"))
    mirror = following(api)
    assert await mirror.synced(10)
    await watched(fake)

    await asyncio.sleep(1)

    assert 1000 == len(mirror.objects)
    assert ["list", "list", "watch"] == [each.verb for each in fake.requests]
    assert 1 == following.changes


async def test_a_watch_ends_in_good_order(fake: FakeApi, api: Api, following: Following) -> None:
    """The next one goes on where it stood, as far as bookmarks know; nothing is listed again."""
    fake.bookmarks = 0.05
    mirror = following(api)
    await watched(fake)
    fake.put(NODES, {"metadata": {"name": "n"}})  # The version moves, for no pod.
    await asyncio.sleep(0.2)
    fake.forget()
    await asyncio.sleep(0.2)

    fake.end_watches()
    await until(lambda: len(fake.asked("watch")) == 2)
    await watched(fake)
    fake.put(PODS, pod("a"))
    await until(lambda: "labs/a" in mirror.objects)

    assert 1 == len(fake.asked("list"))
    assert mirror.live


async def test_what_leaves_the_selection(fake: FakeApi, api: Api, following: Following) -> None:
    """An object whose label is taken away is no longer there."""
    mirror = following(api, labels="dllab-hub/id")
    await watched(fake)
    fake.put(PODS, pod("a", labels={"dllab-hub/id": "1"}))
    fake.put(PODS, pod("b"))
    await until(lambda: list(mirror.objects) == ["labs/a"])

    fake.put(PODS, pod("a"))

    await until(lambda: not mirror.objects)


async def test_only_what_is_kept(fake: FakeApi, api: Api, following: Following) -> None:
    """Of an object only the part that somebody wants is held, of some none."""

    def keep(obj: dict[str, Any]) -> dict[str, Any] | None:
        if obj["status"]["phase"] == "Succeeded":
            return None
        return {"status": obj["status"]}

    running = fake.put(PODS, pod("a", "Running", labels={"a": "b"}))
    fake.put(PODS, pod("over", "Succeeded"))
    mirror = following(api, keep=keep)
    await watched(fake)
    assert {"labs/a": {"status": {"phase": "Running"}}} == mirror.objects

    fake.put(PODS, pod("a", "Succeeded"))
    await until(lambda: not mirror.objects)
    changes = following.changes
    fake.put(PODS, pod("over", "Succeeded", labels={"still": "over"}))
    fake.say(PODS, "MODIFIED", running)
    fake.put(PODS, pod("new"))
    await until(lambda: "labs/new" in mirror.objects)

    assert {"new": "Pending"} == phases(mirror)
    assert changes + 1 == following.changes


# Row 23: events that are told twice, late, in another order, or not at all.


async def test_twice_and_late(fake: FakeApi, api: Api, following: Following) -> None:
    """An object never goes back to an older state, and the same news is no news."""
    mirror = following(api)
    await watched(fake)
    old = fake.put(PODS, pod("a"))
    new = fake.put(PODS, pod("a", "Running"))
    await until(lambda: phases(mirror) == {"a": "Running"})

    for event in (old, new, old):
        fake.say(PODS, "MODIFIED", event)
    fake.say(PODS, "ADDED", new)
    fake.say(PODS, "DELETED", old)
    fake.say(PODS, "DELETED", pod("never", resourceVersion="5"))
    fake.put(PODS, pod("end"))
    await until(lambda: "labs/end" in mirror.objects)

    assert {"a": "Running", "end": "Pending"} == phases(mirror)
    assert 4 == following.changes  # The list, and three that are true.


async def test_nobody_rises_from_the_dead(fake: FakeApi, api: Api, following: Following) -> None:
    """News of an object from before its end, or from before the list, make none."""
    listed = fake.put(PODS, pod("listed"))
    fake.remove(PODS, "labs", "listed")
    mirror = following(api)
    await watched(fake)
    gone = fake.put(PODS, pod("gone", "Running"))
    fake.remove(PODS, "labs", "gone")
    fake.say(PODS, "MODIFIED", gone)
    fake.say(PODS, "ADDED", listed)
    fake.put(PODS, pod("end"))
    await until(lambda: "labs/end" in mirror.objects)
    assert {"end": "Pending"} == phases(mirror)

    fake.put(PODS, pod("gone", "Pending"))  # A new one of that name is another matter.
    await until(lambda: phases(mirror) == {"end": "Pending", "gone": "Pending"})


async def test_in_another_order(fake: FakeApi, api: Api, following: Following) -> None:
    """Each object ends in its newest state, whichever of its events comes last."""
    mirror = following(api)
    await watched(fake)
    fake.mute(PODS)
    events = [fake.put(PODS, pod(n, phase)) for phase in ("Pending", "Running") for n in "abc"]
    fake.mute(PODS, False)

    for event in reversed(events):
        fake.say(PODS, "MODIFIED", event)
    await until(lambda: len(mirror.objects) == 3)
    await asyncio.sleep(0.1)

    assert {"a": "Running", "b": "Running", "c": "Running"} == phases(mirror)
    assert 4 == following.changes


async def test_what_a_connection_takes_with_it(
    fake: FakeApi, api: Api, following: Following
) -> None:
    """Events that were on their way when it broke are told again."""
    mirror = following(api)
    fake.put(PODS, pod("b"))
    await until(lambda: "labs/b" in mirror.objects)
    fake.mute(PODS)
    fake.put(PODS, pod("a"))
    fake.remove(PODS, "labs", "b")
    fake.mute(PODS, False)

    fake.reset(watches_only=True)

    await until(lambda: phases(mirror) == {"a": "Pending"})
    assert 1 == len(fake.asked("list"))


async def test_the_list_is_the_truth(fake: FakeApi, api: Api, following: Following) -> None:
    """A cluster restored from a backup is shown as it is, although all of it is older."""
    fake.put(PODS, pod("a", "Running"))
    mirror = following(api)
    await watched(fake)
    old = pod("a", "Pending", resourceVersion="7", uid="u")
    fake.store.restore({("pods", "labs", "a"): old}, 10)
    fake.fail("watch", "event-410")

    fake.end_watches()

    await until(lambda: phases(mirror) == {"a": "Pending"})


async def test_a_version_not_reached_yet(fake: FakeApi, api: Api, following: Following) -> None:
    """A server restored from a backup lets whoever knows more of it wait in silence; we do not."""

    class Listening(Quick):
        quiet = 0.4

    fake.put(PODS, pod("a", "Running"))
    fake.bookmarks = 0.05
    mirror = following(api, of=Listening)
    await watched(fake)
    await asyncio.sleep(0.2)
    fake.store.restore({("pods", "labs", "a"): pod("a", resourceVersion="7", uid="u")}, 10)

    fake.reset(watches_only=True)

    await until(lambda: phases(mirror) == {"a": "Pending"})
    assert ["list", "watch", "watch", "list"] == [each.verb for each in fake.requests][:4]


# Its end, and other people's mistakes.


@pytest.mark.parametrize("when", ["well", "hang", "refuse", "never begun"])
async def test_it_ends_promptly(fake: FakeApi, api: Api, when: str) -> None:
    """Whatever it waits for, no task and no connection stays."""
    tasks = asyncio.all_tasks()
    mirror = Mirror(api, PODS, None)
    async with AsyncExitStack() as stack:
        if when in ("hang", "refuse"):
            await stack.enter_async_context(fake.outage(when))
        if when != "never begun":
            mirror.start()
            mirror.start()
            assert (when == "well") == await mirror.synced(0.3)
        begun = time.monotonic()

        await mirror.close()
        await mirror.close()

        assert time.monotonic() - begun < 0.2
        assert not mirror.live
    left = {t for t in asyncio.all_tasks() - tasks if "Mirror" in str(t.get_coro())}
    assert set() == left
    await until(lambda: not fake.store.watchers)


async def test_a_mistake_in_what_is_kept(
    fake: FakeApi, api: Api, following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said in the log; the copy goes on, and does not claim to be right meanwhile."""
    wrong = ["labs/b"]

    def keep(obj: dict[str, Any]) -> dict[str, Any]:
        if f"labs/{obj['metadata']['name']}" in wrong:
            raise KeyError("spec")
        return copy.deepcopy(obj)

    mirror = following(api, keep=keep)
    await watched(fake)
    fake.put(PODS, pod("b"))
    await until(lambda: not mirror.live)
    assert "pods could not be taken in" in caplog.text
    assert "what the cluster says of its pods is not understood" in mirror.trouble

    wrong.clear()

    await until(lambda: mirror.live and list(mirror.objects) == ["labs/b"])


async def test_a_mistake_in_who_is_told(fake: FakeApi, api: Api, following: Following) -> None:
    """Whoever failed at the news is told again."""
    told: list[list[str]] = []

    def changed() -> None:
        told.append(sorted(mirror.objects))
        if len(told) == 2:
            raise ValueError("not today")

    mirror = following(api, changed=changed)
    await watched(fake)
    fake.put(PODS, pod("a"))

    await until(lambda: len(told) == 3 and mirror.live)

    assert [[], ["labs/a"], ["labs/a"]] == told
