"""Restarting a lab with other GPUs, at a stub of the hub that can be slow, wrong and away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import until
from stub_hub import Loop, listen, running_loop, stop_server
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from dllab_hub.errors import Conflict, NotFound, Unavailable
from dllab_hub.hub import restart as module
from dllab_hub.hub.restart import Restarts
from dllab_hub.hub.servers import HubServers
from dllab_hub.specs import Restart, RestartWish

OPTIONS = {"image": "pytorch", "gpus": 1, "gpu_type": "a100", "lend": True, "volumes": ["digits"]}


class Hub:
    """Servers of one hub, as far as they can be stopped and started.

    Attributes:
        refuse: A start with so many GPUs is answered with 409.
        vanish: A start with so many GPUs is taken, and the server is gone a moment later.
        stuck: A start neither fails nor ends.
        away: 503 to everything.
        strange: No model of a person, to who asks for one.
        asked_strangely: Whether somebody got that.
    """

    def __init__(self) -> None:
        self.servers: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []
        self.refuse: set[int] = set()
        self.vanish: set[int] = set()
        self.stuck = False
        self.away = False
        self.strange = False
        self.asked_strangely = False
        self.started = 0
        self.url = ""

    def start(self, name: str, options: dict[str, Any]) -> None:
        self.started += 1
        self.servers[name] = {
            "ready": not self.stuck,
            "pending": "spawn" if self.stuck else None,
            "started": f"2026-01-01T00:00:{self.started:02d}Z",
            "user_options": options,
        }


class _User(RequestHandler):
    def initialize(self, hub: Hub) -> None:
        self.hub = hub

    def prepare(self) -> None:
        if self.hub.away:
            self.set_status(503)
            self.finish()

    def get(self) -> None:
        if self.hub.strange:
            self.hub.asked_strangely = True
            self.finish("[]")
            return
        self.finish({"name": "ada", "servers": self.hub.servers})


class _Server(_User):
    def post(self, name: str = "") -> None:
        options = json.loads(self.request.body)
        self.hub.log.append(f"start {options['gpus']}")
        if options["gpus"] in self.hub.refuse:
            self.set_status(409)
            self.finish({"status": 409, "message": "gpus: all are held."})
            return
        if options["gpus"] not in self.hub.vanish:
            self.hub.start(name, options)
        self.set_status(202)

    def delete(self, name: str = "") -> None:
        self.hub.log.append("stop")
        self.hub.servers.pop(name, None)
        self.set_status(204)


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """An event loop in a thread."""
    with running_loop() as loop:
        yield loop


@pytest.fixture
def hub(loop: Loop) -> Iterator[Hub]:
    """A hub where ada has a lab with one GPU, and another one named second."""
    hub = Hub()
    hub.start("", dict(OPTIONS))
    hub.start("second", dict(OPTIONS))
    routes = [
        ("/hub/api/users/ada", _User, {"hub": hub}),
        ("/hub/api/users/ada/server", _Server, {"hub": hub}),
        ("/hub/api/users/ada/servers/(.+)", _Server, {"hub": hub}),
    ]

    async def start() -> HTTPServer:
        server = HTTPServer(Application(routes))
        hub.url = f"http://127.0.0.1:{listen(server)}/hub/api"
        return server

    server = loop.call(start())
    yield hub
    loop.call(stop_server(server))


@pytest.fixture
def make(loop: Loop, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Starts what restarts labs, as a lab service does; again and again on one directory."""
    monkeypatch.setattr(module, "_PACE", 0.05)
    made: list[Restarts] = []

    def make() -> Restarts:
        env = {"JUPYTERHUB_API_URL": hub.url, "JUPYTERHUB_API_TOKEN": "the-services-own"}

        async def start() -> Restarts:
            restarts = Restarts(tmp_path / "restarts", HubServers(env))
            await restarts.start()
            return restarts

        made.append(loop.call(start()))
        return made[-1]

    yield make
    for restarts in made:
        loop.call(restarts.close())


def ask(loop: Loop, restarts: Restarts, gpus: int, server: str = "") -> Restart:
    return loop.call(restarts.restart("ada", RestartWish(server=server, gpus=gpus)))


def end(loop: Loop, restarts: Restarts, server: str = "") -> Restart:
    """What became of it."""

    def over() -> Restart | None:
        last = loop.call(restarts.restarted("ada", server))
        return None if last.state == "restarting" else last

    last = until(over, 30)
    assert isinstance(last, Restart)
    return last


@pytest.mark.parametrize("server", ["", "second"])
def test_release_and_undo(loop: Loop, hub: Hub, make, server: str) -> None:
    """GPUs are given back with the same choice otherwise, and taken again of the same type."""
    restarts = make()
    first = ask(loop, restarts, 0, server)
    done = end(loop, restarts, server)
    on_cpu = hub.servers[server]["user_options"]
    ask(loop, restarts, 1, server)
    undone = end(loop, restarts, server)

    assert ("restarting", 0, 1) == (first.state, first.gpus, first.before)
    assert ("done", 0, 1) == (done.state, done.gpus, done.before)
    assert "The lab was restarted on the CPU and gave back 1 GPU." == done.message
    want = {**OPTIONS, "gpus": 0, "gpu_type": "", "lend": False, "wait": 0}
    assert want == on_cpu
    assert ("done", "The lab was restarted with 1 GPU.") == (undone.state, undone.message)
    assert {**OPTIONS, "wait": 0} == hub.servers[server]["user_options"]
    assert ["stop", "start 0", "stop", "start 1"] == hub.log


@pytest.mark.parametrize("how", ["refuse", "vanish"])
def test_a_lab_that_cannot_start_is_as_before(loop: Loop, hub: Hub, make, how: str) -> None:
    """GPUs that are gone meanwhile are not had, but the person has their lab on the CPU."""
    restarts = make()
    ask(loop, restarts, 0)
    end(loop, restarts)
    getattr(hub, how).add(1)
    ask(loop, restarts, 1)
    last = end(loop, restarts)

    assert "undone" == last.state
    assert "could not be started with 1 GPU, so it is as before" in last.message
    assert ("gpus: all are held." in last.message) is (how == "refuse")
    assert 0 == hub.servers[""]["user_options"]["gpus"]


def test_a_lab_that_cannot_start_at_all(loop: Loop, hub: Hub, make) -> None:
    """When neither choice starts it is said, and not tried for ever."""
    restarts = make()
    hub.refuse |= {0, 1}
    ask(loop, restarts, 0)
    last = end(loop, restarts)

    assert "failed" == last.state
    assert "gpus: all are held." in last.message
    assert ["start 0", "start 0", "start 1", "start 1"] == hub.log[1:]


def test_a_service_that_dies_half_way(loop: Loop, hub: Hub, make, tmp_path: Path) -> None:
    """The next service finds the wish and starts the lab that the last one has stopped."""
    hub.vanish.add(0)  # So that it stays stopped while the service goes.
    restarts = make()
    ask(loop, restarts, 0)
    until(lambda: "start 0" in hub.log)
    loop.call(restarts.close())
    assert "" not in hub.servers
    hub.vanish.clear()
    last = end(loop, make())

    assert "done" == last.state
    assert 0 == hub.servers[""]["user_options"]["gpus"]


def test_a_hub_that_is_away_is_waited_for(loop: Loop, hub: Hub, make) -> None:
    """A hub that restarts meanwhile only delays it."""
    restarts = make()
    ask(loop, restarts, 0)
    hub.away = True
    with pytest.raises(Unavailable):
        ask(loop, restarts, 0, "second")
    hub.away = False

    assert "done" == end(loop, restarts).state


def test_asked_twice_it_is_one_restart(loop: Loop, hub: Hub, make) -> None:
    """A second press does nothing more."""
    restarts = make()
    first, second = ask(loop, restarts, 0), ask(loop, restarts, 0)
    end(loop, restarts)

    assert first.time == second.time
    assert 1 == hub.log.count("stop")


def test_asked_twice_at_once_it_is_one_restart(loop: Loop, hub: Hub, make) -> None:
    """Two tabs whose owner presses in both at the same moment are no two restarts."""
    restarts = make()

    async def both() -> list[Restart]:
        wishes = (restarts.restart("ada", RestartWish(gpus=0)) for _ in range(5))
        return await asyncio.gather(*wishes)

    asked = loop.call(both())
    end(loop, restarts)

    assert 1 == len({restart.time for restart in asked})
    assert ["stop", "start 0"] == hub.log


def test_a_strange_answer_of_the_hub_is_outlived(loop: Loop, hub: Hub, make) -> None:
    """A lab that was stopped for somebody is started, whatever went wrong in between."""
    restarts = make()
    ask(loop, restarts, 0)
    hub.strange = True
    until(lambda: hub.asked_strangely)
    hub.strange = False

    assert "done" == end(loop, restarts).state


def test_a_start_that_ends_the_service_is_not_repeated_for_ever(loop: Loop, hub: Hub, make) -> None:
    """Each service that takes over has fewer tries left."""
    hub.vanish |= {0, 1}
    restarts = make()
    ask(loop, restarts, 0)
    until(lambda: "stop" in hub.log)
    for _ in range(4):
        before = len(hub.log)
        until(lambda before=before: len(hub.log) > before)
        loop.call(restarts.close())
        restarts = make()
    end(loop, restarts)

    assert ["start 0", "start 0", "start 1", "start 1"] == hub.log[1:]


def test_a_person_who_was_faster(loop: Loop, hub: Hub, make) -> None:
    """A lab that somebody else has started meanwhile is left alone."""
    restarts = make()
    ask(loop, restarts, 0)
    hub.start("", dict(OPTIONS))  # Another time stamp than the one that was to be stopped.
    last = end(loop, restarts)

    assert last.state in ("undone", "done")
    assert "" in hub.servers


def test_what_is_refused(loop: Loop, hub: Hub, make) -> None:
    """No such lab, the number it has already, and one that starts just now."""
    restarts = make()
    with pytest.raises(NotFound):
        ask(loop, restarts, 0, "third")
    with pytest.raises(NotFound):
        loop.call(restarts.restart("grace", RestartWish(gpus=0)))
    with pytest.raises(Conflict, match="has 1 GPU already"):
        ask(loop, restarts, 1)
    hub.servers[""]["pending"] = "stop"
    with pytest.raises(Conflict, match="started or stopped"):
        ask(loop, restarts, 0)
    assert [] == hub.log


def test_nobody_hears_of_anothers(loop: Loop, make, tmp_path: Path) -> None:
    """The last restart is told to its owner; files are private; a broken one is left alone."""
    restarts = make()
    ask(loop, restarts, 0)
    end(loop, restarts)
    file = next((tmp_path / "restarts").glob("*.json"))

    assert "none" == loop.call(restarts.restarted("grace", "")).state
    assert (0o700, 0o600) == (
        file.parent.stat().st_mode & 0o777,
        file.stat().st_mode & 0o777,
    )
    file.write_text('{"owner": "ada"')
    assert "none" == loop.call(make().restarted("ada", "")).state


def test_it_is_given_up_in_the_end(
    loop: Loop, hub: Hub, make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lab that neither starts nor fails is given up, and can be asked for again."""
    monkeypatch.setattr(module, "_PATIENCE", 1.0)
    restarts = make()
    hub.stuck = True
    ask(loop, restarts, 0)
    last = end(loop, restarts)

    assert "failed" == last.state
    assert last.message.endswith("started again. It took too long.")
