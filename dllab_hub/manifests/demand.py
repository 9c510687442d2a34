"""What a pod keeps of its machine for itself: `demand`, by the scheduler's own rule."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from .quantity import milli, whole

__all__ = ("amounts", "demand")

#: What a pod can ask for as a whole (``spec.resources``).
_OF_POD = ("cpu", "memory", "hugepages-")


def amounts(quantities: Mapping[str, Any] | None) -> dict[str, int]:
    """Numbers by resource: CPUs in thousandths, all else whole (bytes, pieces)."""
    return {
        sys.intern(name): milli(amount) if name == "cpu" else whole(amount)
        for name, amount in (quantities or {}).items()
    }


def demand(spec: Mapping[str, Any]) -> dict[str, int]:
    """What the pod of this spec asks for, in the units of `amounts`; and one of ``pods``.

    All containers run at once. An init container runs alone, beside those before it that go on
    (``restartPolicy: Always``), so that only the largest counts. What is said for the whole pod
    takes the place of the sum, and the overhead of its runtime comes on top
    (``PodRequests`` in Kubernetes' component-helpers).
    """
    total: dict[str, int] = {}
    for container in spec.get("containers") or ():
        _add(total, _asked(container))
    going_on: dict[str, int] = {}
    first: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        asked = _asked(container)
        if container.get("restartPolicy") == "Always":
            _add(total, asked)
            _add(going_on, asked)
            asked = going_on
        else:
            asked = {**asked}
            _add(asked, going_on)
        _most(first, asked)
    _most(total, first)
    whole_pod = amounts((spec.get("resources") or {}).get("requests"))
    total.update((name, n) for name, n in whole_pod.items() if name.startswith(_OF_POD))
    _add(total, amounts(spec.get("overhead")))
    total["pods"] = 1
    return total


def _asked(container: Mapping[str, Any]) -> dict[str, int]:
    """The API server has filled in requests from limits."""
    return amounts((container.get("resources") or {}).get("requests"))


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, number in more.items():
        total[name] = total.get(name, 0) + number


def _most(total: dict[str, int], other: Mapping[str, int]) -> None:
    for name, number in other.items():
        if number > total.get(name, 0):
            total[name] = number
