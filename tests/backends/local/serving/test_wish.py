"""How one wish becomes another, and how it is kept."""

from __future__ import annotations

import pytest

from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.serving.wish import Wish
from dllab_hub.errors import Conflict, InvalidRequest
from dllab_hub.specs import Autoscale, Canary, DeploymentSpec

SPEC = DeploymentSpec(name="digits", model="digits", replicas=2)
AUTO = SPEC.model_copy(update={"autoscale": Autoscale(min=0, max=4)})


@pytest.fixture
def wish() -> Wish:
    return Wish.new("ada", Account(None, 0, 0, "/"), SPEC, 1)


def test_it_is_kept(wish) -> None:
    """What was written is read again, with a canary and all."""
    full = wish.again(AUTO, 2).with_canary(Canary(version=3, percent=7, max_slowdown=2.0))

    assert full == Wish.from_json(full.to_json())


def test_one_of_before(wish) -> None:
    """What was kept before there were canaries is read as one without."""
    text = wish.to_json().replace(b', "scaled": null, "pool": "replicas", "canary": null', b"")
    assert b"canary" not in text

    assert wish == Wish.from_json(text.replace(b', "previous": null', b""))


def test_following_the_load(wish) -> None:
    """Their number begins as wished for within the limits, and goes on from where it is."""
    auto = wish.again(AUTO, 1)
    assert (2, 2) == (auto.scaled, auto.replicas)
    grown = auto.scaled_to(4)
    narrow = AUTO.model_copy(update={"autoscale": Autoscale(min=1, max=3)})
    assert 3 == grown.again(narrow, 2).replicas
    assert 1 == auto.scaled_to(0).again(AUTO, 2).replicas
    assert 2 == grown.again(SPEC, 2).replicas
    with pytest.raises(InvalidRequest, match="from 0 to 4") as caught:
        grown.scaled_to(5)

    assert "replicas" == caught.value.field


def test_a_canary_is_not_alone(wish) -> None:
    """Where nobody asks and no replica is left, one comes back with the canary."""
    asleep = wish.again(AUTO, 1).scaled_to(0)

    assert 1 == asleep.with_canary(Canary(version=2)).replicas


def test_requests_wait_where_nobody_answers(wish) -> None:
    """Only where there may be no replica, and no canary answers in its place."""
    asleep = wish.again(AUTO, 1)

    assert asleep.sleeps
    assert not wish.sleeps
    assert not asleep.with_canary(Canary(version=2)).sleeps


def test_promoted_and_back(wish) -> None:
    """A promoted canary serves from its own pool; going back and forth keeps the way back."""
    made = wish.with_canary(Canary(version=2)).promoted()
    assert (2, 2, "others", "replicas", None, 1) == (
        made.version,
        made.spec.version,
        made.pool,
        made.other_pool,
        made.canary,
        made.previous,
    )
    back = made.rolled_back()
    assert (1, 2) == (back.version, back.previous)
    assert (2, 1) == ((forth := back.rolled_back()).version, forth.previous)


def test_what_cannot_be(wish) -> None:
    """Nothing to promote, nothing to go back to, the same version twice, one that is deleted."""
    for verb in (wish.promoted, wish.rolled_back, lambda: wish.with_canary(Canary(version=1))):
        with pytest.raises(Conflict):
            verb()
    assert None is wish.again(SPEC.model_copy(update={"model": "letters"}), 2).previous
