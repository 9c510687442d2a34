"""Numbers over time: `Curve`. What the code says of its training, and what its processes use."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from .wire import Value

__all__ = ("MAX_POINTS", "Curve", "Curves")

#: Points of one curve that are kept: more than a screen has, and a history of 10,000 jobs is small.
MAX_POINTS = 1000


class Curve(Value):
    """One number over time. What has more points is thinned evenly; first and last point stay.

    Attributes:
        name: Such as ``loss``; ``train/loss`` of an event file; of what a replica uses ``cpu``
            (CPUs in use), ``memory`` (bytes), ``gpu`` (ratio), ``gpu_memory`` (bytes).
        source: ``report``: `dllab_hub.runtime.report`. ``tensorboard``: event files. ``usage``:
            measured by the supervisor. ``gpu``: measured by the lab service.
        replica: Such as ``worker-0``; empty where it is not known who wrote it.
        run: Directory below the job's event files, such as ``train``; empty for the top.
        steps: Training step of each point, ascending; empty where there are none (of use).
        times: Seconds since the epoch of each point.
        values: None where the value is not a finite number: a loss that became NaN stays seen.
    """

    name: str = Field(min_length=1, max_length=200)
    source: Literal["report", "tensorboard", "usage", "gpu"]
    replica: str = ""
    run: str = ""
    steps: tuple[int, ...] = Field(default=(), max_length=2 * MAX_POINTS)
    times: tuple[float, ...] = Field(max_length=2 * MAX_POINTS)
    values: tuple[float | None, ...] = Field(max_length=2 * MAX_POINTS)

    @model_validator(mode="after")
    def _check(self) -> Curve:
        if len(self.values) != len(self.times) or len(self.steps) not in (0, len(self.times)):
            raise InvalidRequest("a curve needs as many values as times.", field="values")
        return self

    @property
    def last(self) -> float | None:
        """Its newest value; None when that is not finite, or there is none."""
        return self.values[-1] if self.values else None


class Curves(Value):
    """The curves of a job.

    Attributes:
        curves: By name, then replica and run.
        read: Part of the event files that has been read so far, 0 to 1.
        notes: What could not be read, and why: torn files, two writers in one directory.
    """

    curves: tuple[Curve, ...] = ()
    read: float = Field(default=1.0, ge=0, le=1)
    notes: tuple[str, ...] = ()
