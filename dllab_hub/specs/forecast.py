"""What a lab's wish for GPUs would meet, for every number and type of them: `forecasts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from .capacity import Forecast, shortage
from .catalog import Catalog
from .gpu import GpuInfo, Holder

__all__ = ("FORECASTS", "candidates", "forecasts")

_CPU = "Starts now, on the CPU."
_NOW = "Starts now: {free} of {total} free."
_NOW_TYPE = "Starts now: {free} of {total} {type} free."
_NO_TYPE = "Can never start here: this machine has no {type}."
_MANY_TYPE = "Can never start here: of {type} this machine has {total}."
_NONE_ALLOWED = "Can never start: your labs may hold no GPU."
_LAB_LIMIT = "Can never start: one lab may hold {limit} at most."
_MY_LIMIT = "Can never start: all your labs together may hold {limit} at most."
_MINE = "Has to wait: your other labs hold {mine} of the {limit} that you may have."
_WAIT = "Has to wait: {shortage}."
_WAIT_TYPE = "Has to wait, {type}: {shortage}."
_QUEUE_ONE = "1 job waits for GPUs too."
_QUEUE_MANY = "{number} jobs wait for GPUs too."

#: Every sentence of `forecasts`, for translators; what is inside them is in `SHORTAGES`.
FORECASTS = (
    _CPU, _NOW, _NOW_TYPE, _NO_TYPE, _MANY_TYPE, _NONE_ALLOWED,
    _LAB_LIMIT, _MY_LIMIT, _MINE, _WAIT, _WAIT_TYPE, _QUEUE_ONE, _QUEUE_MANY,
)  # fmt: skip


def candidates(gpus: Sequence[GpuInfo], catalog: Catalog, gpu_type: str) -> tuple[str, ...]:
    """UUIDs of the GPUs that a lab of this type may get, in the machine's order.

    Args:
        gpus: All of this machine.
        catalog: Knows the types.
        gpu_type: Name of one, or empty for any GPU.

    Raises:
        InvalidRequest: the catalog has no such type.
    """
    part = catalog.gpu_type(gpu_type).match.casefold() if gpu_type else ""
    return tuple(gpu.uuid for gpu in gpus if part in gpu.name.casefold())


def forecasts(
    owner: str,
    gpus: Sequence[GpuInfo],
    held: Mapping[str, Holder],
    waiting: int,
    catalog: Catalog,
) -> dict[str, list[Forecast]]:
    """What a new lab of ``owner`` would meet, for every number of GPUs and every type.

    Args:
        owner: Who asks; nobody else's names are in the answers.
        gpus: All GPUs of this machine.
        held: Who holds each GPU that is not free, by UUID, with all names.
        waiting: How many jobs of the lab service wait for GPUs.
        catalog: As this person may see it.

    Returns:
        By name of the type, and under ``""`` for any GPU: the answer for 0, 1, 2, ... GPUs, up to
        as many as the machine has.
    """
    offered = [("", "", None), *((t.name, t.title, t.max_gpus) for t in catalog.gpu_types)]
    mine = sum(1 for h in held.values() if h.kind == "lab" and h.owner == owner)
    made = {}
    for name, title, most in offered:
        uuids = candidates(gpus, catalog, name)
        asks = _Asks(
            owner=owner,
            title=title,
            total=len(uuids),
            held=tuple(held[uuid] for uuid in uuids if uuid in held),
            waiting=waiting,
            mine=mine,
            per_lab=catalog.max_gpus if most is None else min(most, catalog.max_gpus),
            per_person=catalog.max_gpus_per_user,
        )
        made[name] = [asks.forecast(number) for number in range(len(gpus) + 1)]
    return made


@dataclass(frozen=True)
class _Asks:
    owner: str
    title: str  # Of the type; empty for any.
    total: int
    held: tuple[Holder, ...]
    waiting: int
    mine: int  # GPUs that labs of the owner hold, of any type.
    per_lab: int
    per_person: int

    @property
    def most(self) -> int:
        """The largest number that can start some day."""
        return min(self.total, self.per_lab, self.per_person)

    def forecast(self, wanted: int) -> Forecast:
        if wanted == 0:
            return Forecast(answer="now", message=_CPU)
        free = self.total - len(self.held)
        left = max(0, self.per_person - self.mine)
        smaller = min(free, left, self.most)
        if wanted > self.most:
            return Forecast(answer="never", message=self._never(), smaller=smaller)
        if wanted <= smaller:
            message = self._say(_NOW_TYPE if self.title else _NOW, free=free)
            return Forecast(answer="now", message=message)
        if wanted <= free:
            message = self._say(_MINE, mine=self.mine, limit=self.per_person)
            return Forecast(answer="wait", message=message, smaller=smaller)
        return Forecast(answer="wait", message=self._wait, smaller=smaller)

    @cached_property
    def _wait(self) -> str:
        why = shortage(self.owner, self.total, self.held)
        message = self._say(_WAIT_TYPE if self.title else _WAIT, shortage=why)
        if self.waiting:
            one = self.waiting == 1
            message += " " + self._say(_QUEUE_ONE if one else _QUEUE_MANY, number=self.waiting)
        return message

    def _never(self) -> str:
        """Names the narrowest of the limits: the machine's own first."""
        if self.total == self.most:
            return self._say(_MANY_TYPE if self.total else _NO_TYPE)
        if self.most == 0:
            return self._say(_NONE_ALLOWED)
        if self.per_lab == self.most:
            return self._say(_LAB_LIMIT, limit=self.per_lab)
        return self._say(_MY_LIMIT, limit=self.per_person)

    def _say(self, sentence: str, **values: object) -> str:
        return sentence.format(type=self.title, total=self.total, **values)
