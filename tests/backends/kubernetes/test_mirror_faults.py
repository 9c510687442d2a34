"""Row 22 of the fault matrix: a copy that keeps itself up to date while the API server does not.

On loopback; see `fake_api` for what that leaves open. Most mirrors are in a hurry, and their
seconds are hundredths; `test_an_outage` has the real ones.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from fake_api import FakeApi
from mirrored import Following, Quick, an_api, phases, pod, until, watched

from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.kinds import EVENTS, JOBSETS, NODES, PODS
from dllab_hub.backends.kubernetes.mirror import Mirror


@pytest.mark.parametrize("how", [410, "event-410", "forgotten"])
async def test_a_past_that_is_forgotten(
    fake: FakeApi, api: Api, following: Following, how: int | str
) -> None:
    """It lists again at once; what has gone since is gone, and what is the same is no news."""
    fake.put(PODS, pod("a"))
    fake.put(PODS, pod("b"))
    mirror = following(api, of=Mirror)
    await watched(fake)
    mirror._listed_at = mirror._asked_at = 0.0  # The list was long ago.
    fake.mute(PODS)
    fake.remove(PODS, "labs", "a")
    changes = following.changes
    if how == "forgotten":
        fake.forget()
    else:
        fake.fail("watch", how)
    fake.reset(watches_only=True)

    # Up to a second at random until the watch is tried again.
    await until(lambda: phases(mirror) == {"b": "Pending"}, 2.0)

    failed = fake.asked("watch")[1]
    assert fake.asked("list")[1].at - failed.at < 0.3
    assert changes + 1 == following.changes
    assert mirror.live


@pytest.mark.parametrize(("verb", "how"), [("watch", "event-410"), ("list", 410)])
async def test_forgotten_again_and_again(
    fake: FakeApi, api: Api, following: Following, verb: str, how: int | str
) -> None:
    """A server that never knows the past is not asked without a pause."""
    fake.fail(verb, how, times=None)
    following(api)

    await asyncio.sleep(1)

    assert 5 < len(fake.asked("list")) < 1 / Quick.floor + 3


async def test_asked_to_wait(fake: FakeApi, api: Api, following: Following) -> None:
    """A server with too much to do gets the time it asks for."""
    fake.fail("list", 429, retry_after=1)
    mirror = following(api)

    assert await mirror.synced(5)

    first, second = fake.asked("list")
    assert 1.0 <= second.at - first.at < 1.5


@pytest.mark.parametrize(
    ("verb", "how"),
    [
        *((verb, how) for verb in ("list", "watch") for how in (500, 503, 429, "reset", "hang")),
        ("watch", "event-500"),
    ],
)
async def test_it_comes_back(
    fake: FakeApi, api: Api, following: Following, verb: str, how: int | str
) -> None:
    """After any number of failures of any kind, without anybody's help."""
    api.timeout = 0.3
    fake.put(PODS, pod("a"))
    fake.fail(verb, how, times=3)
    begun = time.monotonic()  # Not when the server hears of the first, which may be late.
    mirror = following(api)

    await until(lambda: mirror.live and len(fake.store.watchers) == 1)

    assert {"a": "Pending"} == phases(mirror)
    assert 4 == len(fake.asked(verb))
    # A timer may be a moment early; a connection that was kept and is reset, aiohttp tries anew.
    pauses = 1.9 if how == "reset" else 2.9
    assert time.monotonic() - begun >= pauses * Quick.floor


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "does not accept the token"), (403, "may not watch pods in the cluster")],
)
async def test_what_nobody_has_allowed(
    fake: FakeApi, api: Api, following: Following, status: int, says: str
) -> None:
    """It says so at once, and works as soon as somebody has."""
    fake.put(PODS, pod("a"))
    mirror = following(api)
    await watched(fake)
    if status == 401:
        fake.token = "another"
    else:
        fake.denied = {("watch", "pods")}
    fake.end_watches()
    await until(lambda: says in mirror.trouble)
    assert not mirror.live
    assert {"a": "Pending"} == phases(mirror)
    if status == 401:  # The other one may list, and is up to date each time it does.
        lost = mirror.current
        await asyncio.sleep(0.3)
        assert lost == pytest.approx(mirror.current, abs=0.05)
        assert time.time() - lost > 0.25

    fake.token = None
    fake.denied = set()

    await until(lambda: mirror.live and len(fake.store.watchers) == 1)
    assert "" == mirror.trouble
    assert time.time() - mirror.current < 0.1


async def test_a_moment_is_no_trouble(fake: FakeApi, api: Api, following: Following) -> None:
    """A connection that breaks and is back in a second has not been missed by anybody."""
    mirror = following(api, of=Mirror)
    await watched(fake)
    mirror._asked_at = 0.0  # It was opened long ago.

    fake.reset(watches_only=True)
    lived = []
    while len(fake.asked("watch")) < 2 or not fake.store.watchers:
        lived.append(mirror.live)
        await asyncio.sleep(0.02)

    assert all(lived)
    assert len(lived) < 100


@pytest.mark.parametrize("how", ["in good order", "broken off"])
async def test_a_door_that_slams(fake: FakeApi, api: Api, following: Following, how: str) -> None:
    """A watch that opens and ends at once, for ever, is not opened without a pause."""
    following(api)
    begun = time.monotonic()
    while time.monotonic() - begun < 1:
        if how == "in good order":
            fake.end_watches()
        else:
            fake.reset(watches_only=True)
        await asyncio.sleep(0.005)

    assert 5 < len(fake.asked("watch")) < 1.2 / Quick.floor


async def test_silence(fake: FakeApi, api: Api, following: Following) -> None:
    """A watch that said something every minute and now does not is not believed."""

    class Listening(Quick):
        quiet = 0.4

    mirror = following(api, of=Listening)
    await watched(fake)
    await asyncio.sleep(1)
    assert 1 == len(fake.asked("watch"))  # It never said anything: that is no promise.
    fake.bookmarks = 0.1
    fake.end_watches()
    await until(lambda: len(fake.asked("watch")) == 2)
    await asyncio.sleep(1)
    assert 2 == len(fake.asked("watch"))

    fake.mute(PODS)
    fake.put(PODS, pod("unheard"))

    await until(lambda: "labs/unheard" in mirror.objects)
    assert 2 == len(fake.asked("list"))
    fake.mute(PODS, False)
    await until(lambda: mirror.live and len(fake.store.watchers) == 1)


@pytest.mark.long
@pytest.mark.parametrize("how", [500, "reset", "hang", "refuse"])
async def test_a_long_outage(fake: FakeApi, api: Api, following: Following, how: int | str) -> None:
    """Ten minutes of a hundredth: few requests all along, and everything is back after it."""
    api.timeout = 0.1
    mirrors = [following(api, kind) for kind in (PODS, EVENTS, JOBSETS, NODES)]
    await watched(fake, 4)
    begun = time.monotonic()
    async with fake.outage(how):
        await asyncio.sleep(6)
        assert not any(mirror.live for mirror in mirrors)
        assert all("API server" in mirror.trouble for mirror in mirrors)
        asked = len([each for each in fake.requests if each.at >= begun])
        fake.put(PODS, pod("meanwhile"))
    if how != "refuse":
        assert 60 <= asked <= 600

    # 15 s of a hundredth, and what a busy machine takes.
    assert await until(lambda: all(mirror.live for mirror in mirrors)) < 0.15 + 0.5
    await until(lambda: {"meanwhile": "Pending"} == phases(mirrors[0]))
    assert 4 == len(fake.asked("list"))  # Nothing was forgotten, so nothing had to be listed.


@pytest.mark.timeout(120)
async def test_an_outage(tmp_path: Path) -> None:
    """Twelve real seconds: at most one request a second, and live within 15 s, however it fails."""

    async def suffer(how: int | str) -> tuple[int | str, int, tuple[int, float], float]:
        async with FakeApi() as fake, AsyncExitStack() as stack:
            folder = tmp_path / str(how)
            folder.mkdir()
            api = await stack.enter_async_context(an_api(fake, folder))
            api.pace.every = 1.0
            mirrors = [Mirror(api, kind, None) for kind in (PODS, EVENTS, JOBSETS, NODES)]
            for mirror in mirrors:
                stack.push_async_callback(mirror.close)
                mirror.start()
            await watched(fake, 4)
            begun = time.monotonic()
            async with fake.outage(how):
                await asyncio.sleep(12)
                each = max(fake.most_per(2.8, begun, mirror._kind) for mirror in mirrors)
                # Of a busy machine the beats are not so even.
                together = fake.most_per(0.8, begun), fake.most_per(10, begun) / 10
                assert not any(mirror.live for mirror in mirrors)
            took = await until(lambda: all(mirror.live for mirror in mirrors), 20)
            return how, each, together, took

    found = await asyncio.gather(*map(suffer, (500, "reset", "hang", "refuse")))

    for how, each, together, took in found:
        assert each <= 1, how
        assert together[0] <= 1, how
        assert together[1] <= 1.1, how
        assert took < 15, how
