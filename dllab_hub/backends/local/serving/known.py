"""`Known`: what the service knows of a unit, as it is kept beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .haproxy import POOLS
from .kit import Kit

__all__ = ("Known",)


@dataclass
class Known:
    """``unit.json``.

    Attributes:
        model: Name of the model it serves; empty for a balancer.
        version: Of the model.
        pool: Which of the balancer's pools it is in.
        launched: Whether it was ever started.
        restarts: How often it was started again before its shim of now.
        failures: How often its shims gave up since it last worked.
        due: When it is started next, seconds since the epoch; None while it is meant to run.
        reason: Why it failed last.
        draining: Whether it is on its way out.
        outdated: Whether another one takes its place, whatever it serves.
        kit: What it gets.
    """

    model: str = ""
    version: int = 0
    pool: str = POOLS[0]
    launched: bool = False
    restarts: int = 0
    failures: int = 0
    due: float | None = None
    reason: str = ""
    draining: bool = False
    outdated: bool = False
    kit: Kit = field(default_factory=Kit)

    @classmethod
    def read(cls, noted: Mapping[str, Any]) -> Known:
        """What was kept, as far as this release knows it."""
        known = _own(cls, noted)
        return cls(**{**known, "kit": Kit(**_own(Kit, known.get("kit", {})))})


def _own(kind: type[Known | Kit], noted: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {key: value for key, value in noted.items() if key in names}
