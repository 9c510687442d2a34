"""What a person may see of GPUs: `as_seen`; `Fleet`, the GPUs of a cluster, for many people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from ..specs import Gpu, GpuCondition, GpuReport, GpuTotals, Holder

__all__ = ("Fleet", "as_seen", "is_far")

#: Share of the time from which on a GPU counts as busy; the panel has the same.
_BUSY = 0.05


def is_far(report: GpuReport) -> bool:
    """Whether it is about the machines of a cluster: those GPUs have the name of a machine."""
    return any(gpu.node for gpu in report.gpus)


def as_seen(
    report: GpuReport, holders: Mapping[str, Holder] | None, viewer: str | None
) -> GpuReport:
    """The report with holders and processes as ``viewer`` may see them. Of a cluster's GPUs those
    that others hold, or nobody, are numbers only.

    Args:
        report: With the processes, and all names.
        holders: Who holds which GPU, with all names; None where the report tells it, as somebody
            else has let this person see it.
        viewer: Other people's things are without names for them; None sees all.
    """
    if holders is None:
        return report
    if viewer is not None and is_far(report):
        return Fleet(report, holders).seen_by(viewer)
    gpus = tuple(_seen(gpu, holders.get(gpu.uuid), viewer) for gpu in report.gpus)
    return report.model_copy(update={"gpus": gpus})


class Fleet:
    """The GPUs of a cluster by whose they are, so that what one person may see is found quickly.

    Args:
        report: All of them.
        holders: Who holds which, with all names.
    """

    def __init__(self, report: GpuReport, holders: Mapping[str, Holder]) -> None:
        self._report, self._holders = report, holders
        self._all = _Sums()
        self._sums: dict[str, _Sums] = {}
        self._mine: dict[str, list[int]] = {}
        wholes = {(g.node, g.index): n for n, g in enumerate(report.gpus) if g.divided}
        for number, gpu in enumerate(report.gpus):
            if gpu.divided:
                continue  # Its slices are what somebody can have.
            holder = holders.get(gpu.uuid)
            self._all.count(gpu, holder)
            if holder is None or not holder.owner:
                continue
            self._sums.setdefault(holder.owner, _Sums()).count(gpu, holder)
            mine = self._mine.setdefault(holder.owner, [])
            whole = wholes.get((gpu.node, gpu.index)) if gpu.slice is not None else None
            if whole is not None and whole not in mine:
                mine.append(whole)
            mine.append(number)

    def seen_by(self, person: str) -> GpuReport:
        """What this person has, with the GPUs that slices are parts of, and all others in numbers.

        Args:
            person: Empty for somebody who has nothing.
        """
        mine = [self._report.gpus[number] for number in self._mine.get(person, ())]
        others = self._all.less(self._sums.get(person, _Sums()))
        gpus = tuple(_seen(gpu, self._holders.get(gpu.uuid), person) for gpu in mine)
        return self._report.model_copy(update={"gpus": gpus, "others": others})


@dataclass
class _Sums:
    """Numbers of GPUs; ``blind`` have a load, ``vague`` an amount of memory and ``boundless`` a
    size of it that is not known.
    """

    held: int = 0
    free: int = 0
    out: int = 0
    busy: int = 0
    blind: int = 0
    used: int = 0
    vague: int = 0
    total: int = 0
    boundless: int = 0

    def count(self, gpu: Gpu, holder: Holder | None) -> None:
        """One more."""
        if holder is None:
            out = gpu.error or gpu.withdrawn or gpu.condition is not GpuCondition.OK
            self.out += bool(out)
            self.free += not out
            return
        self.held += 1
        self.busy += (gpu.utilization or 0.0) >= _BUSY
        self.blind += gpu.utilization is None
        self.used += gpu.memory_used or 0
        self.vague += gpu.memory_used is None
        self.total += gpu.memory_total or 0
        self.boundless += gpu.memory_total is None

    def less(self, mine: _Sums) -> GpuTotals:
        """Without those."""
        left = _Sums(*(getattr(self, f.name) - getattr(mine, f.name) for f in fields(self)))
        return GpuTotals(
            held=left.held,
            free=left.free,
            out=left.out,
            busy=None if left.blind else left.busy,
            memory_used=None if left.vague else left.used,
            memory_total=None if left.boundless else left.total,
        )


def _seen(gpu: Gpu, holder: Holder | None, viewer: str | None) -> Gpu:
    found = gpu.processes
    return gpu.model_copy(
        update={
            "holder": holder and holder.seen_by(viewer),
            "processes": found and tuple(process.seen_by(viewer) for process in found),
        }
    )
