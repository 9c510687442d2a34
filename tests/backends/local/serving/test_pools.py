"""Two pools of replicas share the requests of one balancer, in a real HAProxy."""

from __future__ import annotations

import pytest

from dllab_hub.backends.local.serving.haproxy import POOL_HEADER


@pytest.mark.parametrize("percent", [10, 50])
def test_an_exact_share(farm, percent) -> None:
    """The second pool gets its percentage, within four standard deviations of what a lot would
    give, however many replicas each pool has."""
    farm.start("a", "b")
    farm.balancer.add(farm.replica("c", "others"))
    farm.balancer.split(percent)

    requests, share = 4000, percent / 100
    got = farm.count(requests)["c"]

    assert abs(got - requests * share) <= 4 * (requests * share * (1 - share)) ** 0.5


def test_all_or_nothing(farm) -> None:
    """With 0 the second pool gets nothing, also when the first has nobody; with 100 it gets all."""
    farm.start("a")
    farm.balancer.add(farm.replica("c", "others"))
    assert {"a": 50} == farm.count(50)
    farm.balancer.split(100)
    assert {"c": 50} == farm.count(50)

    farm.balancer.split(0)
    farm.balancer.remove("a")
    assert {"503": 5} == farm.count(5)


@pytest.mark.parametrize(("gone", "left"), [("a", "c"), ("c", "a")])
def test_a_pool_without_replicas(farm, gone, left) -> None:
    """While one pool has nobody who answers the other gets everything."""
    farm.start("a")
    farm.balancer.add(farm.replica("c", "others"))
    farm.balancer.split(50)
    farm.balancer.remove(gone)

    assert {left: 100} == farm.count(100)


def test_who_may_choose(farm) -> None:
    """A request that names a pool gets its answer from there, and each answer says whose it is;
    the replica never sees that header."""
    farm.start("a")
    farm.balancer.add(farm.replica("c", "others"))
    for pool, name in (("replicas", "a"), ("others", "c")):
        status, about, headers = farm.ask(headers={POOL_HEADER: pool})
        assert (200, name, pool) == (status, about["replica"], headers[POOL_HEADER])
        assert POOL_HEADER not in about["headers"]

    farm.balancer.remove("c")
    status, _, headers = farm.ask(headers={POOL_HEADER: "others"})
    assert (503, "others") == (status, headers[POOL_HEADER])


def test_a_restarted_balancer_knows_the_share(farm) -> None:
    """The share and the pools are in the configuration of its next start, too."""
    a, c = farm.replica("a"), farm.replica("c", "others")
    farm.balancer.write([a, c], 100)
    farm.run()
    assert {"c": 30} == farm.count(30)
    assert {"a": "UP", "c": "UP"} == farm.balancer.servers()

    farm.balancer.drain("c")
    assert "DRAIN" == farm.balancer.servers()["c"]


def test_traffic_of_both(farm) -> None:
    """Requests, failures and those under way are those of both pools together."""
    farm.start("a")
    farm.balancer.add(farm.replica("c", "others"))
    for pool in ("replicas", "others"):
        farm.ask(headers={POOL_HEADER: pool, "x-delay": "0.2"})
        farm.ask(headers={POOL_HEADER: pool, "x-status": "500"})

    traffic = farm.balancer.traffic()
    assert (4, 2, 0) == (traffic.requests, traffic.failed, traffic.waiting)
    assert traffic.latency == pytest.approx(0.1, abs=0.05)


def test_one_of_an_older_release(farm) -> None:
    """A balancer that was started with one pool is known by it."""
    farm.start("a")
    assert farm.balancer.is_current()
    farm.kill_haproxy()
    config = farm.balancer.config.read_text()
    front, _, _ = config.partition("\nbackend others")
    front = "\n".join(line for line in front.splitlines() if "others" not in line)
    farm.balancer.config.write_text(front + "\n")
    farm.run()

    assert not farm.balancer.is_current()
