"""What no object that serves a model may be: `of_serving`, beside the rules of `policy`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policy import Fence, of_object, of_pod

__all__ = ("of_serving",)

_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


def of_serving(made: Mapping[str, Any], fence: Fence) -> list[str]:
    """What is wrong with an object that serves, or helps to."""
    return [*of_object(made, fence), *_serving(made, fence)]


def _serving(made: Mapping[str, Any], fence: Fence) -> Iterator[str]:
    kind, spec = made["kind"], made["spec"]
    where = kind.lower()
    if kind == "Deployment":
        # The ReplicaSet controller puts a hyphen, ten characters, a hyphen and five after it.
        if not _LABEL_1035.fullmatch(f"{made['metadata']['name']}-0123456789-abcde"):
            yield f"pod name: {where}"
        template, chosen = spec["template"], spec["selector"]["matchLabels"]
        if not chosen.items() <= template["metadata"]["labels"].items():
            yield f"pods that it does not find: {where}"
        yield from _chosen(chosen, fence, where)
        yield from of_pod(template, fence)
    elif kind == "Service":
        if spec.get("type") != "ClusterIP" or spec.keys() - {"type", "selector", "ports"}:
            yield f"open to the outside: {where}"
        yield from _chosen(spec["selector"], fence, where)
    elif kind == "PodDisruptionBudget":
        yield from _chosen(spec["selector"]["matchLabels"], fence, where)
    elif kind != "HorizontalPodAutoscaler":
        yield f"kind: {kind}"


def _chosen(labels: Mapping[str, str], fence: Fence, where: str) -> Iterator[str]:
    if fence.owner not in labels.items():
        yield f"another person's pods: {where}"
