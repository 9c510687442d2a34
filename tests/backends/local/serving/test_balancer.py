"""`Balancer` with a real HAProxy. The replicas only echo: what a model costs is not shown here."""

import http.client
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from dllab_hub.backends.local.serving.balancer import Server


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{condition} did not come true"
        time.sleep(0.01)


def test_a_new_replica_gets_requests(farm, load) -> None:
    """A replica added under load answers some of it, and no request fails."""
    farm.start("a")
    with load() as asked:
        farm.balancer.add(farm.replica("b"))
        until(lambda: asked.of("b") > 20)

    assert {} == asked.failed()


def test_a_drained_replica_gets_none(farm, load) -> None:
    """Draining ends with no request at the replica, which can then go; no request fails."""
    farm.start("a", "b")
    with load() as asked:
        farm.balancer.drain("a")
        until(lambda: farm.balancer.sessions("a") == 0)
        asked.more(1)  # What the replica had answered is counted now.
        before = asked.of("a")
        asked.more()
        drained = farm.balancer.servers()
        farm.balancer.remove("a")
        farm.kill("a")
        asked.more()

    assert {} == asked.failed()
    assert before == asked.of("a")
    assert {"a": "DRAIN", "b": "UP"} == drained
    assert {"b": "UP"} == farm.balancer.servers()


def test_a_drained_replica_can_come_back(farm, load) -> None:
    """Adding a replica that is being drained gives it requests again."""
    farm.start("a", "b")
    with load() as asked:
        farm.balancer.drain("a")
        asked.more()
        before = asked.of("a")
        farm.balancer.add(farm.replica("a"))
        until(lambda: asked.of("a") > before + 20)

    assert {} == asked.failed()


def test_a_killed_replica_costs_no_request(farm, load) -> None:
    """What a killed replica had in hand is asked again elsewhere, five times over."""
    farm.start("a")
    with load() as asked:
        for number in range(5):
            farm.balancer.add(farm.replica(f"b{number}"))
            until(lambda number=number: asked.of(f"b{number}") > 20)
            farm.kill(f"b{number}")
            asked.more()
            farm.balancer.remove(f"b{number}")

    assert {} == asked.failed()
    assert {"a": "UP"} == farm.balancer.servers()


def test_replicas_killed_together_cost_no_request(farm, load) -> None:
    """Two of three may die at once: a dead one is not tried again and again."""
    farm.start("a", "b", "c")
    with load() as asked:
        farm.kill("a")
        farm.kill("b")
        asked.more()

    assert {} == asked.failed()


def test_a_killed_replica_is_down(farm) -> None:
    """A dead replica is seen without a request, and one that listens again is used again."""
    farm.start("a", "b")

    farm.kill("a")
    until(lambda: farm.balancer.servers() == {"a": "DOWN", "b": "UP"})
    del farm.replicas["a"]
    (farm.folder / "a.sock").unlink()
    farm.replica("a")

    until(lambda: farm.balancer.servers() == {"a": "UP", "b": "UP"})


def test_a_replica_that_computes_is_not_down(farm) -> None:
    """A replica that answers nothing for three seconds keeps its place and then answers."""
    farm.start("a")
    answers = []
    os.kill(farm.replicas["a"].pid, signal.SIGSTOP)
    thread = threading.Thread(target=lambda: answers.append(farm.ask()[0]))
    thread.start()
    seen, end = set(), time.monotonic() + 3
    while time.monotonic() < end:
        seen.add(farm.balancer.servers()["a"])
        time.sleep(0.1)
    os.kill(farm.replicas["a"].pid, signal.SIGCONT)
    thread.join()

    assert {"UP"} == seen
    assert [200] == answers


def test_removing_breaks_off_what_is_left(farm) -> None:
    """A replica with a request at hand can be removed; that request gets a 5xx at once."""
    farm.start("a")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(farm.ask(headers={"x-delay": "60"})))
    thread.start()
    until(lambda: farm.balancer.sessions("a") == 1)

    farm.balancer.remove("a")
    thread.join(5)

    assert {} == farm.balancer.servers()
    assert not thread.is_alive()
    assert 500 <= answers[0][0] <= 599


def test_removing_under_load_is_quick(farm, load) -> None:
    """Connections kept for later requests do not hold a removed replica back."""
    farm.start("a", "b")
    with load() as asked:
        start = time.monotonic()
        for _ in range(5):
            farm.balancer.remove("b")
            farm.balancer.add(farm.replica("b"))
            asked.more(2)
        took = time.monotonic() - start

    assert took < 4


def test_an_answer_that_broke_off_is_seen(farm) -> None:
    """A replica that dies within its answer, too late to ask another, leaves no whole answer."""
    farm.start("a", "b")

    with pytest.raises(http.client.IncompleteRead):
        farm.ask(headers={"x-die": "1"})


def test_a_restarted_balancer_knows_its_replicas(farm, load) -> None:
    """HAProxy that was killed serves the replicas of its configuration once it is started again."""
    farm.start("a")
    with load() as asked:
        b = farm.replica("b")
        farm.balancer.write([farm.replica("a"), b])
        farm.balancer.add(b)
        farm.kill_haproxy()
        until(lambda: asked.failed())
        assert not farm.balancer.is_up()
        farm.run()
        before = asked.of("b")
        until(lambda: asked.of("b") > before + 20)
        farm.balancer.add(b)
        broken = asked.failed()
        asked.more()

    assert {0} == {status for status, _ in broken}
    assert broken == asked.failed()
    assert {"a": "UP", "b": "UP"} == farm.balancer.servers()


def test_verbs_may_come_twice(farm) -> None:
    """Adding, draining and removing again changes nothing."""
    farm.start()
    a = farm.replica("a")
    for _ in range(2):
        farm.balancer.add(a)
        assert {"a": "UP"} == farm.balancer.servers()
    for _ in range(2):
        farm.balancer.drain("a")
        assert {"a": "DRAIN"} == farm.balancer.servers()
    for _ in range(2):
        farm.balancer.remove("a")
        assert {} == farm.balancer.servers()
    farm.balancer.drain("a")
    assert 0 == farm.balancer.sessions("a")


def test_a_weight_may_change(farm) -> None:
    """A replica of weight 0 gets no requests; adding it again with another weight gives it some."""
    farm.start("a")
    b = farm.replica("b")
    farm.balancer.add(Server("b", b.socket, weight=0))
    assert {"a"} == {farm.ask()[1]["replica"] for _ in range(6)}

    farm.balancer.add(b)

    assert {"a", "b"} == {farm.ask()[1]["replica"] for _ in range(6)}


def test_traffic(farm) -> None:
    """Answers are counted by whose fault they were, those under way apart."""
    farm.start("a")
    before = farm.balancer.traffic()
    farm.ask()
    farm.ask(headers={"x-status": "400"})
    farm.ask(headers={"x-status": "500"})
    farm.ask(path="/v2/repository/index")
    farm.ask(headers={"x-delay": "0.3"})
    thread = threading.Thread(target=lambda: farm.ask(headers={"x-delay": "0.5"}))
    thread.start()
    until(lambda: farm.balancer.traffic().waiting == 1)
    assert {"a": 1} == farm.balancer.traffic().busy
    thread.join()
    until(lambda: farm.balancer.traffic().waiting == 0)
    assert {"a": 0} == farm.balancer.traffic().busy

    after = farm.balancer.traffic()

    assert (0, None, 0) == (before.requests, before.latency, before.waiting)
    assert (6, 2, 1) == (after.requests, after.rejected, after.failed)
    assert after.rate > 0
    assert after.latency is not None
    assert 0.1 <= after.latency <= 0.8


def test_traffic_counts_anew(farm) -> None:
    """HAProxy that was started again has served nothing, and its rate is not negative."""
    farm.start("a")
    farm.ask()
    assert 1 == farm.balancer.traffic().requests

    farm.kill_haproxy()
    farm.run()

    assert (0, 0) == (farm.balancer.traffic().requests, farm.balancer.traffic().rate)


def test_a_configuration_that_cannot_be_written(farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves the configuration as it was and nothing beside it."""
    farm.balancer.write([])
    before = farm.balancer.config.read_text()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        farm.balancer.write([Server("a", farm.folder / "a.sock")])

    assert before == farm.balancer.config.read_text()
    assert ["haproxy.cfg"] == [path.name for path in farm.folder.iterdir()]
