"""A version that fails beside another one, as the lab service itself tells of it."""

from __future__ import annotations

from measurable import deployment, report

from dllab_hub.metrics.alerts import Engine
from dllab_hub.metrics.rules import RULES
from dllab_hub.server.concerning import World
from dllab_hub.specs import Alert, Traffic, VersionTraffic
from dllab_hub.specs.tally import Tally


def world(now: float, requests: int, parts: tuple[int, int]) -> World:
    """So many requests so far, of which version 2 fails half of its own; version 1 none."""
    versions = tuple(
        VersionTraffic(
            version=number,
            percent=part,
            tally=Tally(
                requests=requests * part // 100,
                failed=requests * part // 200 if number == 2 else 0,
            ),
        )
        for number, part in zip((1, 2), parts, strict=True)
    )
    failed = sum(one.tally.failed for one in versions if one.tally)
    traffic = Traffic(requests=requests, failed=failed)
    return World(now, report(), {}, (), (deployment(versions=versions, traffic=traffic),))


def alerts(parts: tuple[int, int]) -> list[Alert]:
    """Those that fire after eleven minutes."""
    engine, rules = Engine(), {rule.name: rule for rule in RULES}
    for step in range(45):
        seen = world(step * 15.0, step * 1000, parts)
        standing = engine.observe(seen.samples(), step * 15.0)
    firing = [one for one in standing if one.state == "firing"]
    return [seen.alert(rules[one.rule], one, None) for one in firing]


def test_a_canary_that_fails() -> None:
    """Its owner is told which version it is, where the deployment as a whole fails little."""
    (alert,) = alerts((95, 5))

    assert ("VersionErrorRate", "digits", "ada") == (alert.rule, alert.subject, alert.owner)
    assert "digits: version 2 failed 50 % of its requests of the last 5 minutes." == alert.message


def test_a_version_that_answers_alone() -> None:
    """Then it is the deployment that fails, and that is told once."""
    assert ["EndpointErrorRate"] == [one.rule for one in alerts((0, 100))]
