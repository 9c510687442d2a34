"""Whom `PodsCaller` asks: real servers on loopback take the part of pods."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mirrored import until
from model_answers import MakeAnswers, a_free_port, model_answers
from played_serving import HOST, OTHER, THIRD

from dllab_hub.backends.calls import Call, Reply
from dllab_hub.backends.kubernetes.serving import caller as caller_module
from dllab_hub.backends.kubernetes.serving.caller import PodsCaller
from dllab_hub.backends.kubernetes.serving.replicas import Replica
from dllab_hub.backends.local.serving import caller as base_module
from dllab_hub.backends.local.serving.haproxy import POOL_HEADER
from dllab_hub.errors import Unavailable

HOSTS = (HOST, OTHER, THIRD)
CALL = Call("POST", "v2/models/digits/infer", b'{"x": 1}')


class Asking:
    """A caller, and the replicas and parts that a test gives it."""

    def __init__(self) -> None:
        self.replicas: list[Replica] = []
        self.parts: dict[str, int] = {"a": 100}
        self.caller = PodsCaller(lambda: self.replicas, lambda: self.parts)

    def have(self, *hosts: str, pool: str = "a", leaves: bool = False) -> None:
        """These too answer."""
        self.replicas += [Replica(f"replica-{host}", host, pool, leaves) for host in hosts]

    async def __call__(self, call: Call = CALL, **more: Any) -> Reply:
        """The answer; there is one."""
        reply = await self.caller.ask(call, lambda: bool(self.replicas), **more)
        assert reply is not None
        return reply

    async def by(self, call: Call = CALL, **more: Any) -> str:
        """Who has answered."""
        return str(json.loads((await self(call, **more)).body)["by"])


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    """A caller without replicas."""
    made = Asking()
    yield made
    await made.caller.close()


async def test_the_pod_is_asked_itself(servers: MakeAnswers, asking: Asking, port: int) -> None:
    """Method, path and body arrive, the host is the pod's, and the answer tells the pool."""
    one = await servers(HOSTS[0], version=7)
    asking.have(HOSTS[0])
    reply = await asking()

    assert (200, "7", "a") == (
        reply.status,
        reply.headers["x-model-version"],
        reply.headers[POOL_HEADER],
    )
    (head,) = one.asked
    assert head.startswith(b"POST /v2/models/digits/infer HTTP/1.1\r\n")
    assert f"host: {HOSTS[0]}:{port}".encode() in head.lower()
    assert [b'{"x": 1}'] == one.bodies


async def test_a_caller_says_nothing_of_pools(servers: MakeAnswers, asking: Asking) -> None:
    """The header that tells a pool is ours: a caller's does not arrive, and decides nothing."""
    one, other = await servers(HOSTS[0]), await servers(HOSTS[1])
    asking.have(HOSTS[0], pool="a")
    asking.have(HOSTS[1], pool="b")
    asking.parts = {"a": 100, "b": 0}
    call = Call("GET", "v2/models/digits", headers={POOL_HEADER: "b", "accept": "x/y"})
    for _ in range(5):
        assert "a" == (await asking(call)).headers[POOL_HEADER]

    assert [] == other.asked
    assert all(POOL_HEADER.encode() not in head.lower() for head in one.asked)
    assert all(b"accept: x/y" in head.lower() for head in one.asked)


async def test_who_has_least_to_do_is_asked(servers: MakeAnswers, asking: Asking) -> None:
    """Of twelve requests at once each of three gets four."""
    there = [await servers(host, "holds") for host in HOSTS]
    asking.have(*HOSTS)
    asked = [asyncio.create_task(asking()) for _ in range(12)]
    await until(lambda: sum(one.busy for one in there) == 12)
    assert [4, 4, 4] == [one.busy for one in there]
    assert {f"replica-{host}": 4 for host in HOSTS} == asking.caller.counting.traffic.busy
    for one in there:
        one.go_on.set()
    await asyncio.gather(*asked)

    assert (12, 0) == (
        asking.caller.counting.traffic.requests,
        asking.caller.counting.traffic.waiting,
    )


async def test_another_one_answers_for_one_that_is_dead(
    servers: MakeAnswers, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens at the address of one: each request is answered, and it is asked last then."""
    other = await servers(HOSTS[1])
    asking.have(HOSTS[0], HOSTS[1])
    tried: list[str] = []
    choose = asking.caller._choose

    def noted(pool: str) -> Replica:
        tried.append((chosen := choose(pool)).host)
        return chosen

    monkeypatch.setattr(asking.caller, "_choose", noted)
    for _ in range(30):
        assert HOSTS[1] == await asking.by()
    assert 30 == len(other.asked)
    assert tried.count(HOSTS[0]) <= 1, tried


async def test_one_that_breaks_off_is_asked_once(servers: MakeAnswers, asking: Asking) -> None:
    """It reads the request and goes away: another one answers; for a while it is not asked."""
    broken, good = await servers(HOSTS[0], "drops"), await servers(HOSTS[1])
    asking.have(*HOSTS[:2])
    for _ in range(20):
        assert HOSTS[1] == await asking.by()

    assert len(broken.asked) <= 1
    assert 20 == len(good.asked)


async def test_the_only_one_is_asked_again(servers: MakeAnswers, asking: Asking) -> None:
    """Though it has just failed: where no other is, who is suspected may be back."""
    one = await servers(HOSTS[0], "drops")
    asking.have(HOSTS[0])
    asyncio.get_running_loop().call_later(0.1, lambda: setattr(one, "how", "answers"))

    assert HOSTS[0] == await asking.by()
    assert len(one.asked) > 1


async def test_who_leaves_is_asked_when_nobody_else_is_there(
    servers: MakeAnswers, asking: Asking
) -> None:
    """A replica that is to end gets nothing while another one answers, busy as that may be."""
    leaves, stays = await servers(HOSTS[0]), await servers(HOSTS[1], "holds")
    asking.have(HOSTS[0], leaves=True)
    asking.have(HOSTS[1])
    held = [asyncio.create_task(asking()) for _ in range(5)]
    await until(lambda: stays.busy == 5)
    assert [] == leaves.asked

    del asking.replicas[1]
    assert HOSTS[0] == await asking.by()
    asking.have(HOSTS[1])
    stays.go_on.set()
    await asyncio.gather(*held, return_exceptions=True)


async def test_two_pools_get_their_parts(
    servers: MakeAnswers, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A canary of 20 % gets about a fifth of the requests: within four standard deviations."""
    monkeypatch.setattr(caller_module, "random", random.Random(10))
    stable, canary = await servers(HOSTS[0]), await servers(HOSTS[1], version=2)
    asking.have(HOSTS[0], pool="a")
    asking.have(HOSTS[1], pool="b")
    asking.parts = {"a": 80, "b": 20}
    count = 400
    for _ in range(count):
        await asking()

    assert count == len(stable.asked) + len(canary.asked)
    assert abs(len(canary.asked) - 0.2 * count) < 4 * (count * 0.2 * 0.8) ** 0.5


async def test_a_canary_of_nothing_gets_nothing(servers: MakeAnswers, asking: Asking) -> None:
    """It answers who asks for it by name only, and never for others that are gone."""
    stable, canary = await servers(HOSTS[0]), await servers(HOSTS[1], version=2)
    asking.have(HOSTS[0], pool="a")
    asking.have(HOSTS[1], pool="b")
    asking.parts = {"a": 100, "b": 0}
    for _ in range(20):
        assert HOSTS[0] == await asking.by()
    assert HOSTS[1] == await asking.by(pool="b")
    assert (20, 1) == (len(stable.asked), len(canary.asked))

    del asking.replicas[0]
    assert await asking.caller.ask(CALL, lambda: False) is None
    assert 1 == len(canary.asked)


async def test_the_part_of_a_pool_that_nobody_is_in(servers: MakeAnswers, asking: Asking) -> None:
    """Goes to the other one: no request fails because a canary has not come up."""
    await servers(HOSTS[0])
    asking.have(HOSTS[0], pool="a")
    asking.parts = {"a": 1, "b": 99}
    for _ in range(20):
        assert HOSTS[0] == await asking.by()


async def test_one_that_is_frozen(servers: MakeAnswers, asking: Asking) -> None:
    """It has taken the request and never answers. As soon as the cluster counts on it no more,
    another one is asked, which answers once.
    """
    frozen, good = await servers(HOSTS[0], "freezes"), await servers(HOSTS[1])
    asking.have(HOSTS[0])
    answer = asyncio.create_task(asking.by())
    await until(lambda: frozen.busy == 1)
    asking.have(HOSTS[1])
    await asyncio.sleep(0.6)
    assert not answer.done()  # As long as it counts as one that answers, it is waited for.

    began = time.monotonic()
    del asking.replicas[0]
    assert HOSTS[1] == await answer
    assert time.monotonic() - began < 1.5
    assert (1, 1) == (len(frozen.asked), len(good.asked))
    assert ({}, 1) == (
        asking.caller.counting.traffic.busy,
        asking.caller.counting.traffic.requests,
    )
    await until(lambda: frozen.busy == 0)  # Nobody listens to it any more.


async def test_who_leaves_answers_its_last_requests(servers: MakeAnswers, asking: Asking) -> None:
    """A request that is with one that begins to leave stays with it."""
    one, other = await servers(HOSTS[0], "holds"), await servers(HOSTS[1])
    asking.have(HOSTS[0])
    answer = asyncio.create_task(asking.by())
    await until(lambda: one.busy == 1)
    asking.replicas.clear()
    asking.have(HOSTS[0], leaves=True)
    asking.have(HOSTS[1])
    await asyncio.sleep(0.7)
    one.go_on.set()

    assert HOSTS[0] == await answer
    assert [] == other.asked


async def test_a_canary_that_was_rolled_back_answers_its_last_requests(
    servers: MakeAnswers, asking: Asking
) -> None:
    """Nothing new goes to it, and what is with it stays there as long as it is well."""
    one, other = await servers(HOSTS[0], "holds"), await servers(HOSTS[1])
    there = {HOSTS[0]: True, HOSTS[1]: True}
    asking.caller = PodsCaller(lambda: asking.replicas, lambda: asking.parts, lambda: there)
    asking.have(HOSTS[0])
    answer = asyncio.create_task(asking.by())
    await until(lambda: one.busy == 1)
    asking.replicas.clear()
    asking.have(HOSTS[1])
    await asyncio.sleep(0.7)
    assert HOSTS[1] == await asking.by()
    one.go_on.set()

    assert HOSTS[0] == await answer
    assert 1 == len(other.asked)


async def test_one_that_is_silent_for_long(
    servers: MakeAnswers, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be busy with the request: that is asked of another one only after some seconds."""
    monkeypatch.setattr(caller_module, "_SILENT", 1.0)
    one, _ = await servers(HOSTS[0], "holds"), await servers(HOSTS[1])
    there = {HOSTS[0]: False, HOSTS[1]: True}
    asking.caller = PodsCaller(lambda: asking.replicas, lambda: asking.parts, lambda: there)
    asking.have(HOSTS[0])
    answer = asyncio.create_task(asking.by())
    await until(lambda: one.busy == 1)
    asking.replicas.clear()
    asking.have(HOSTS[1])
    await asyncio.sleep(0.7)

    assert not answer.done()
    assert HOSTS[1] == await answer


async def test_an_address_that_is_another_pods(servers: MakeAnswers, asking: Asking) -> None:
    """Each request says for which pod it is; where another one has the address, it goes on."""
    other, good = await servers(HOSTS[0]), await servers(HOSTS[1])
    other.status = 421
    asking.replicas = [Replica("replica-a", HOSTS[0], "a", pod="s-a"),
                       Replica("replica-b", HOSTS[1], "a", leaves=True, pod="s-b")]  # fmt: skip
    assert HOSTS[1] == await asking.by()

    assert b"x-dllab-replica: s-a" in other.asked[0].lower()
    assert b"x-dllab-replica: s-b" in good.asked[0].lower()


async def test_who_asks_no_more_is_no_load(servers: MakeAnswers, asking: Asking) -> None:
    """A request that is given up is with nobody any more, and its connection is closed."""
    one = await servers(HOSTS[0], "holds")
    asking.have(HOSTS[0])
    answer = asyncio.create_task(asking())
    await until(lambda: one.busy == 1)
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer

    assert {} == asking.caller.counting.traffic.busy
    await until(lambda: one.busy == 0)


async def test_answers_of_5xx_are_asked_for_again(servers: MakeAnswers, asking: Asking) -> None:
    """503 is asked again, and told as it was; 500 is an answer."""
    one = await servers(HOSTS[0])
    asking.have(HOSTS[0])
    one.status = 503
    asyncio.get_running_loop().call_later(0.1, lambda: setattr(one, "status", 500))
    seen: list[int] = []
    reply = await asking(seen=lambda reply, _: seen.append(reply.status if reply else 0))

    assert 500 == reply.status
    assert [503, 500] == sorted(set(seen), reverse=True)
    assert len(seen) == asking.caller.repeated + 1
    assert len(seen) == asking.caller.counting.traffic.failed


async def test_one_that_takes_too_long(
    servers: MakeAnswers, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks is told so; nobody else is asked the same again."""
    monkeypatch.setitem(base_module._TIMEOUTS, "read", 0.2)
    one, other = await servers(HOSTS[0], "freezes"), await servers(HOSTS[1])
    asking.have(HOSTS[0])
    answer = asyncio.create_task(asking())
    await until(lambda: one.busy == 1)
    asking.have(HOSTS[1])
    with pytest.raises(Unavailable, match="takes too long"):
        await answer

    assert [] == other.asked


async def test_nobody_is_there(asking: Asking, port: int) -> None:
    """Without replicas there is no answer, at once; with one that is dead, after some tries."""
    assert await asking.caller.ask(CALL, lambda: False) is None

    asking.have(HOSTS[0])
    began = time.monotonic()
    assert await asking.caller.ask(CALL, lambda: True) is None
    assert 1 < time.monotonic() - began < 5


async def test_an_address_of_ipv6(
    asking: Asking, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    """It is asked in brackets, as URLs and the Host header want it."""
    asked: list[tuple[bytes, dict[bytes, bytes]]] = []

    async def note(call: Call, url: bytes, headers: list[tuple[bytes, bytes]]) -> Reply:
        asked.append((url, dict(headers)))
        return Reply(200, b'{"by": "fd00::7"}', {})

    monkeypatch.setattr(asking.caller, "_exchange", note)
    asking.have("fd00::7")
    assert "fd00::7" == await asking.by()

    ((url, headers),) = asked
    where = f"[fd00::7]:{port}".encode()
    assert (b"http://" + where + b"/v2/models/digits/infer", where) == (url, headers[b"host"])


async def test_a_pod_of_ipv6_answers(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine has IPv6, a real one is reached."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    port = a_free_port("::1")
    monkeypatch.setattr(caller_module, "PORT", port)
    async with model_answers(port) as make:
        one = await make("::1")
        asking.have("::1")
        assert "::1" == await asking.by()
        assert f"host: [::1]:{port}".encode() in one.asked[0].lower()
