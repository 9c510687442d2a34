"""What Prometheus gets of real versions behind one balancer."""

from __future__ import annotations

from serving_place import Load, ServingPlace, until

from dllab_hub.metrics.samples import deployment_samples


async def measured(place: ServingPlace) -> dict[str, dict[str, float]]:
    """Series of each version, by their names."""
    found: dict[str, dict[str, float]] = {}
    for one in deployment_samples(await place.serving.live(), private=True):
        if "version" in one.labels and one.labels.get("le", "+Inf") == "+Inf":
            name = one.name.removeprefix("dllab_endpoint_version_")
            found.setdefault(one.labels["version"], {})[name] = one.value
    return found


async def test_of_two_versions(local) -> None:
    """Each is counted by its own answers, with its part and its replicas; one that serves no more
    is not measured any more, and what it counted goes with it.
    """
    await local.served(2)
    await local.publish()
    await local.canary(2, percent=25)
    await local.beside(2)
    async with Load(local) as load:
        await load.more(200)
        busy = await until(lambda: busy_of(local))
    seen = await measured(local)
    answered = {version: count for (_, version), count in load.answers.items()}

    assert {} == load.wrong
    assert {"1", "2"} == set(seen)
    assert {v: one["requests_total"] for v, one in seen.items()} == answered
    assert {v: one["latency_seconds_bucket"] for v, one in seen.items()} == answered
    assert {0} == {one["failures_total"] for one in seen.values()}
    assert (0.75, 2, 0.25, 1) == (
        *(seen["1"][name] for name in ("traffic_ratio", "ready_replicas")),
        *(seen["2"][name] for name in ("traffic_ratio", "ready_replicas")),
    )
    assert 0 < sum(busy) <= 64
    assert all(0 < one["latency_seconds_sum"] < 600 for one in seen.values())

    await local.serving.rollback("ada", "digits")
    await local.only(1)
    assert {"1"} == set(await measured(local))


async def busy_of(place: ServingPlace) -> list[float]:
    """Requests with replicas of each version; empty while there are none."""
    found = [one["inflight"] for one in (await measured(place)).values()]
    return found if any(found) else []
