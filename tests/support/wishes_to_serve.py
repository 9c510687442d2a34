"""Wishes to serve a model, as odd as people and programs can make them: `wishes` and `OWNERS`."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from servings import published

from dllab_hub.specs import Autoscale, Batch, Canary

__all__ = ("OWNERS", "wishes")

NAMES = st.sampled_from(
    ("a", "0", "a-b", "x" * 40, "9" * 40, "a" + "-" * 38 + "b", "default", "stable", "canary")
) | st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?\Z")
OWNERS = st.sampled_from(
    ("ada", "Ada@example.org", "..", "-", "x" * 255, "名前", "a\nb", "ada-76740216", "$(HOME)",
     "🦊" * 60)
) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255)  # fmt: skip
FORMATS = st.sampled_from(
    ("onnx", "torch-export", "torchscript", "savedmodel", "pickle", "torch-pickle")
)
VERSIONS = st.integers(1, 10**9)


@st.composite
def wishes(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keywords of a `DeploymentSpec`, and those of the rest of a `Served`."""
    name, gpus = draw(NAMES), draw(st.integers(0, 8))
    auto = None
    if draw(st.booleans()):
        auto = Autoscale(
            min=draw(st.integers(0, 16)),
            max=draw(st.integers(16, 32)),
            signal="inflight",
            target=draw(st.floats(1e-9, 1000)),
        )
    spec = {
        "name": name,
        "model": draw(st.just("digits") | st.just(name)),
        "replicas": draw(st.integers(1, 32)),
        "autoscale": auto,
        "gpus": gpus,
        "cpus": draw(st.none() | st.integers(1, 64)),
        "batch": draw(
            st.none() | st.builds(Batch, size=st.integers(2, 1024), wait=st.floats(0, 1))
        ),
    }
    size = draw(st.integers(0, 1 << 44))
    more: dict[str, Any] = {
        "model": published(draw(VERSIONS), draw(FORMATS), model=spec["model"], size=size)
    }
    if draw(st.booleans()):
        version = draw(VERSIONS)
        percent, replicas = draw(st.integers(0, 99)), draw(st.integers(1, 32))
        more["canary"] = Canary(version=version, percent=percent, replicas=replicas)
        more["canary_model"] = published(version, draw(FORMATS), model=spec["model"])
    return spec, more
