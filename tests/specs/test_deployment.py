"""Wishes about serving: bounds that go together, and what is refused."""

from __future__ import annotations

import pytest

from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import Autoscale, Batch, Canary, DeploymentSpec


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "max"),
        ({"max": 0}, "max"),
        ({"max": 33}, "max"),
        ({"max": 2, "min": -1}, "min"),
        ({"max": 2, "min": 3}, "min"),
        ({"max": 2, "target": 0}, "target"),
        ({"max": 2, "target": 1001}, "target"),
        ({"max": 2, "signal": "gpu"}, "target"),
        ({"max": 2, "signal": "gpu", "target": 1.5}, "target"),
        ({"max": 2, "signal": "cpu"}, "signal"),
        ({"max": 2, "idle": 9}, "idle"),
        ({"max": 2, "idle": 86401}, "idle"),
        ({"max": 2.0}, "max"),
        ({"max": True}, "max"),
        ({"max": 2, "step": 1}, "step"),
    ],
    ids=str,
)
def test_bounds_that_cannot_be(wish: dict, field: str) -> None:
    """The error names the field, alone and within a deployment."""
    with pytest.raises(InvalidRequest) as caught:
        Autoscale.from_wire(wish)
    assert field == caught.value.field
    with pytest.raises(InvalidRequest) as caught:
        DeploymentSpec.from_wire({"name": "x", "model": "x", "autoscale": wish})
    assert f"autoscale.{field}" == caught.value.field


def test_bounds() -> None:
    """The most is enough; what is not said is one at least, four requests each, ten minutes."""
    assert Autoscale(min=1, max=4, signal="inflight", target=4.0, idle=600.0) == Autoscale(max=4)
    assert Autoscale(min=0, max=1, signal="gpu", target=0.8) == Autoscale.from_wire(
        {"min": 0, "max": 1, "signal": "gpu", "target": 0.8}
    )
    assert None is DeploymentSpec(name="x", model="x").autoscale


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"gpus": -1}, "gpus"),
        ({"gpus": 9}, "gpus"),
        ({"gpus": 0.5}, "gpus"),
        ({"cpus": 0}, "cpus"),
        ({"cpus": 65}, "cpus"),
        ({"cpus": 1.5}, "cpus"),
        ({"batch": {}}, "batch.size"),
        ({"batch": {"size": 1}}, "batch.size"),
        ({"batch": {"size": 1025}}, "batch.size"),
        ({"batch": {"size": 2, "wait": -0.1}}, "batch.wait"),
        ({"batch": {"size": 2, "wait": 1.1}}, "batch.wait"),
        ({"batch": 16}, "batch"),
        (
            {"autoscale": {"max": 2, "signal": "gpu", "target": 0.5}},
            "autoscale.signal",
        ),
        (
            {"gpus": 0, "autoscale": {"max": 2, "signal": "gpu", "target": 0.5}},
            "autoscale.signal",
        ),
    ],
    ids=str,
)
def test_what_no_replica_can_get(wish: dict, field: str) -> None:
    """The error names the field; what follows the GPUs needs some."""
    with pytest.raises(InvalidRequest) as caught:
        DeploymentSpec.from_wire({"name": "x", "model": "x", **wish})
    assert field == caught.value.field


def test_what_a_replica_gets() -> None:
    """Nothing, unless it is said; what came before any of it was known reads as that."""
    plain = DeploymentSpec(name="x", model="x")
    full = DeploymentSpec(
        name="x",
        model="x",
        gpus=2,
        cpus=4,
        batch=Batch(size=32),
        autoscale=Autoscale(max=2, signal="gpu", target=0.5),
    )

    assert (0, None, None) == (plain.gpus, plain.cpus, plain.batch)
    old = {"name": "x", "model": "x", "version": None, "replicas": 1, "autoscale": None}
    assert plain == DeploymentSpec.from_wire(old)
    assert full == DeploymentSpec.from_wire(full.to_wire())
    assert full.batch is not None
    assert 0.005 == full.batch.wait


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "version"),
        ({"version": 0}, "version"),
        ({"version": None}, "version"),
        ({"version": 1, "percent": 100}, "percent"),
        ({"version": 1, "percent": -1}, "percent"),
        ({"version": 1, "percent": 0.5}, "percent"),
        ({"version": 1, "replicas": 0}, "replicas"),
        ({"version": 1, "max_errors": 1.1}, "max_errors"),
        ({"version": 1, "max_slowdown": 0.9}, "max_slowdown"),
    ],
    ids=str,
)
def test_canaries_that_cannot_be(wish: dict, field: str) -> None:
    """The error names the field."""
    with pytest.raises(InvalidRequest) as caught:
        Canary.from_wire(wish)
    assert field == caught.value.field


def test_a_canary() -> None:
    """It gets a tenth, on one replica, and ends when one answer of twenty fails."""
    made = Canary(version=2)

    assert (10, 1, 0.05, None) == (
        made.percent, made.replicas, made.max_errors, made.max_slowdown,
    )  # fmt: skip
    assert made == Canary.from_wire(made.to_wire())
    assert None is Canary.from_wire({"version": 2, "max_errors": None}).max_errors
