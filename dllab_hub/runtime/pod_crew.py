"""The processes of a replica in its pod, and which of all has something to save at the end."""

from __future__ import annotations

from collections.abc import Sequence

from ..shim.replica import Replica
from .gang import Gang

__all__ = ("chief_is_elsewhere", "has_saver", "processes_of", "saver_of")

_CHIEF = "chief"


def processes_of(gang: Gang) -> list[Replica]:
    """Those of this replica. GPUs that are fewer than they are all of them share."""
    share = len(gang.gpus) // gang.processes
    return [
        Replica(
            gang.role["name"],
            gang.index,
            gang.rank(place),
            gang.attempt,
            place,
            gang.processes,
            gang.gpus[place * share : (place + 1) * share] if share else gang.gpus,
        )
        for place in range(gang.processes)
    ]


def has_saver(gang: Gang) -> bool:
    """Whether the others need not be waited for once one process has saved: see `saver_of`."""
    strategy: str = gang.about["strategy"]
    return strategy != "custom"


def saver_of(gang: Gang, processes: Sequence[Replica]) -> Replica | None:
    """The one among these that saves for all, as ``shim.strategy.saving`` has it.

    With all-reduce that is rank 0, with parameter servers the chief. Of other programs nothing is
    known: all of them may have something to save.
    """
    if not has_saver(gang):
        return None
    if gang.about["strategy"] == "ps":
        return processes[0] if gang.role["name"] == _CHIEF else None
    return next((one for one in processes if one.rank == 0), None)


def chief_is_elsewhere(gang: Gang) -> bool:
    """Whether a chief in another pod may need these to save: its variables lie on its servers."""
    strategy: str = gang.about["strategy"]
    return strategy == "ps" and gang.role["name"] != _CHIEF
