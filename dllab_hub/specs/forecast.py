"""What a lab's wish for GPUs would meet, for every number and type of them: `forecasts`.

`Asks` is the same rule for one machine and for a cluster, whose GPUs are on several machines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from .capacity import Forecast, shortage
from .catalog import Catalog
from .gpu import GpuInfo, Holder

__all__ = ("FORECASTS", "Asks", "candidates", "forecasts")

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
_CPU_WAIT = "Has to wait: no machine has enough free memory or CPUs now."
_NO_ROOM = "Has to wait: the machines with free GPUs have too little memory or CPUs free."
_SCATTERED = "Has to wait: {free} of {total} free, but not on one machine."
_SCATTERED_TYPE = "Has to wait: {free} of {total} {type} free, but not on one machine."
_NONE_HAS = "Can never start here: no machine of this cluster has a GPU."
_NONE_HAS_TYPE = "Can never start here: no machine of this cluster has {type}."
_LARGEST = "Can never start here: the largest machine has {largest}."
_LARGEST_TYPE = "Can never start here: of {type} the largest machine has {largest}."
_NOT_READY = "Has to wait: the machine that has so many takes nothing new now."
_NOT_READY_TYPE = "Has to wait: the machine that has so many {type} takes nothing new now."
_ADDED = "Has to wait until a machine is added to the cluster: none has so many."
_ADDED_TYPE = "Has to wait until a machine with {type} is added to the cluster: none has so many."

#: Every sentence of `forecasts`, for translators; what is inside them is in `SHORTAGES`.
FORECASTS = (
    _CPU, _NOW, _NOW_TYPE, _NO_TYPE, _MANY_TYPE, _NONE_ALLOWED,
    _LAB_LIMIT, _MY_LIMIT, _MINE, _WAIT, _WAIT_TYPE, _QUEUE_ONE, _QUEUE_MANY,
    _CPU_WAIT, _NO_ROOM, _SCATTERED, _SCATTERED_TYPE, _NONE_HAS, _NONE_HAS_TYPE, _LARGEST,
    _LARGEST_TYPE, _NOT_READY, _NOT_READY_TYPE, _ADDED, _ADDED_TYPE,
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
        asks = Asks(
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
class Asks:
    """What a person's new lab meets among the GPUs of one type.

    Attributes:
        owner: Who asks.
        title: Of the type; empty for any.
        total: How many there are.
        held: Who holds each that is not free.
        waiting: How many jobs wait for GPUs.
        mine: GPUs that labs of the owner hold, of any type.
        per_lab: The most that one lab may hold.
        per_person: The most that all labs of a person may hold together.
        largest: On a cluster: how many one machine has at most; None where there is one machine.
        largest_ready: On a cluster: the same among the machines that are ready now.
        at_once: On a cluster: how many a lab could get now on one machine.
        on_cpu: Whether a lab without GPUs could start now.
        grows: Whether machines may be added.
    """

    owner: str
    title: str
    total: int
    held: tuple[Holder, ...]
    waiting: int
    mine: int
    per_lab: int
    per_person: int
    largest: int | None = None
    largest_ready: int | None = None
    at_once: int | None = None
    on_cpu: bool = True
    grows: bool = False

    @property
    def most(self) -> int:
        """The largest number that can start some day."""
        return min(self._there, self.per_lab, self.per_person)

    def forecast(self, wanted: int) -> Forecast:
        """The answer for so many."""
        if wanted == 0:
            if self.on_cpu:
                return Forecast(answer="now", message=_CPU)
            return Forecast(answer="wait", message=_CPU_WAIT)
        left = max(0, self.per_person - self.mine)
        free = self._free if self.at_once is None else self.at_once
        smaller = min(free, left, self.most)
        # A smaller choice is one that starts; without a GPU it may have to wait, too.
        offered = smaller if smaller or self.on_cpu else None
        if wanted > self.most:
            answer, message = self._never()
            return Forecast(answer=answer, message=message, smaller=offered)
        if wanted <= smaller:
            message = self._say(_NOW_TYPE if self.title else _NOW)
            return Forecast(answer="now", message=message)
        if wanted <= free:
            message = self._say(_MINE, mine=self.mine, limit=self.per_person)
        elif self.largest_ready is not None and wanted > self.largest_ready:
            message = self._say(_NOT_READY_TYPE if self.title else _NOT_READY)
        elif wanted <= self._free:
            message = self._somewhere
        else:
            message = self._wait
        return Forecast(answer="wait", message=message, smaller=offered)

    @property
    def _there(self) -> int:
        return self.total if self.largest is None else self.largest

    @property
    def _free(self) -> int:
        return self.total - len(self.held)

    @cached_property
    def _wait(self) -> str:
        why = shortage(self.owner, self.total, self.held)
        message = self._say(_WAIT_TYPE if self.title else _WAIT, shortage=why)
        if self.waiting:
            one = self.waiting == 1
            message += " " + self._say(_QUEUE_ONE if one else _QUEUE_MANY, number=self.waiting)
        return message

    @property
    def _somewhere(self) -> str:
        """Enough are free, and yet no machine takes the lab."""
        if not self.at_once:
            return _NO_ROOM
        return self._say(_SCATTERED_TYPE if self.title else _SCATTERED)

    def _never(self) -> tuple[Literal["never", "node"], str]:
        """Names the narrowest of the limits: the machines' own first."""
        if self._there > self.most:
            return "never", self._limit()
        if self.largest is None:
            return "never", self._say(_MANY_TYPE if self.total else _NO_TYPE)
        if self.grows:
            return "node", self._say(_ADDED_TYPE if self.title else _ADDED)
        if self.largest:
            return "never", self._say(_LARGEST_TYPE if self.title else _LARGEST)
        return "never", self._say(_NONE_HAS_TYPE if self.title else _NONE_HAS)

    def _limit(self) -> str:
        if self.most == 0:
            return self._say(_NONE_ALLOWED)
        if self.per_lab == self.most:
            return self._say(_LAB_LIMIT, limit=self.per_lab)
        return self._say(_MY_LIMIT, limit=self.per_person)

    def _say(self, sentence: str, **values: object) -> str:
        values = {"largest": self.largest, "free": self._free, **values}
        return sentence.format(type=self.title, total=self.total, **values)
