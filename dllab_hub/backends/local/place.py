"""`Place`: what the parts of a `KeptBackend` share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...specs import GpuReport
from ...state import StateDir
from .jobdir import JobDir
from .store import Store

if TYPE_CHECKING:
    from .line import Lines

__all__ = ("Place",)


@dataclass(frozen=True)
class Place:
    """Where jobs lie and who decides on them.

    Attributes:
        state: Where everything lies.
        store: Index of all jobs.
        lines: Jobs that have not ended; to be used on the thread of decisions only.
        keep: Runs a function on the thread of decisions, which alone writes to store and lines.
        folder: Of a job, by its id; it need not be there.
        gpu_report: What the GPUs do now; None where nobody measures it.
    """

    state: StateDir
    store: Store
    lines: Lines
    keep: Callable[..., Awaitable[Any]]
    folder: Callable[[str], JobDir]
    gpu_report: Callable[[], Awaitable[GpuReport]] | None
