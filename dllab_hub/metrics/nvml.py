"""The GPUs of this machine, read through NVML: `read`, `gpus`, `inventory` and, for tests, `Nvml`.

NVML may be slow or hang, so nothing here may be called on an event loop. Nothing happens at import.
Whatever NVML answers becomes a `GpuReport`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..specs import Gpu, GpuInfo, GpuReport, GpuState
from .inventory import Inventory
from .nvmlcodes import SESSION, Code, failed, report, told
from .nvmlgpu import Card, known
from .xids import Xids

__all__ = ("Nvml", "gpus", "inventory", "read")

#: A GPU that was lost may have been reset since; NVML sees that only after it was opened again.
_REOPEN_AFTER = 60.0
#: Seconds of a read after which only the most important things are asked for, of the other GPUs.
_ENOUGH = 0.25


class Nvml:
    """One session with the driver. NVML counts sessions per process, so have one: see `read`.

    Args:
        clock: Seconds since the epoch, for the reports.
        monotonic: Seconds, for deciding what is asked for again.
        pcie: Whether to ask for what goes over PCIe, which takes 40 ms for each GPU at each read.
        nvlink: Whether to ask for what goes over NVLink.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        pcie: bool = False,
        nvlink: bool = False,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._asked = {"pcie": pcie, "nvlink": nvlink}
        self._lock = threading.Lock()
        self._driver = ""
        self._cards: list[Card] | None = None  # None: no session.
        self._known: dict[int, Gpu] = {}  # By index; a lost GPU cannot be asked its name.
        self._turn = 0  # The first card that was left out at the last read.
        self._xids = Xids()
        self._opened = 0.0

    def read(self) -> GpuReport:
        """All GPUs now. Whatever NVML says is in the report; no NVML error is raised."""
        try:
            import pynvml
        except ImportError:
            return GpuReport(
                state=GpuState.NO_LIBRARY,
                message="GPUs cannot be shown: the package nvidia-ml-py is not installed.",
                hint="pip install 'dllab-hub[lab]'",
                time=self._clock(),
            )
        with self._lock:
            try:
                return self._read(pynvml)
            except pynvml.NVMLError as exc:
                first = exc
            self._close(pynvml)
            try:
                # The session broke: with a new one the driver may answer at once.
                if first.value in SESSION:
                    return self._read(pynvml)
            except pynvml.NVMLError as exc:
                self._close(pynvml)
                first = exc
            return report(first.value, first, self._clock())

    def close(self) -> None:
        """End the session; the next `read` begins another."""
        with self._lock:
            if self._cards is not None:
                import pynvml

                self._close(pynvml)

    def _read(self, pynvml: Any) -> GpuReport:
        if self._cards is None:
            self._open(pynvml)
        now = self._monotonic()
        # First: an error may be the reason why a GPU is gone.
        self._xids.fetch(pynvml)
        gpus = tuple(
            gpu.model_copy(update={"xids": self._xids.counts(gpu.uuid)})
            for gpu in self._each(pynvml, self._cards or [], now)
        )
        if any(gpu.error for gpu in gpus) and now - self._opened > _REOPEN_AFTER:
            self._close(pynvml)
        if not gpus:
            self._close(pynvml)
            return report(Code.GPU_NOT_FOUND, "", self._clock())
        return GpuReport(state=GpuState.OK, time=self._clock(), driver=self._driver, gpus=gpus)

    def _each(self, pynvml: Any, cards: list[Card], now: float) -> Iterator[Gpu]:
        """All GPUs. What takes long is asked of at least one; who was left out comes first then."""
        first = self._turn % max(len(cards), 1)
        read: dict[int, tuple[Gpu, ...]] = {}
        late = looked = False
        for at in (*range(first, len(cards)), *range(first)):
            if not late and looked and self._monotonic() - now > _ENOUGH:
                late, self._turn = True, at
            looked = looked or cards[at].is_due(now)
            read[at] = cards[at].read(pynvml, now, hurry=late)
        for at in sorted(read):
            yield from read[at]

    def _open(self, pynvml: Any) -> None:
        pynvml.nvmlInit()
        self._cards = []  # From here on there is something to close.
        self._opened = self._monotonic()
        self._driver = told(pynvml, "nvmlSystemGetDriverVersion") or ""
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                self._known[index] = known(pynvml, index, handle)
                card = Card(self._known[index], handle, **self._asked)
                card.look_for_slices(pynvml)
            except pynvml.NVMLError as exc:
                if exc.value in SESSION:
                    raise
                facts = self._known.get(index, Gpu(index=index, uuid="", name="NVIDIA GPU"))
                card = Card(failed(facts, exc), None)
            self._cards.append(card)
        self._xids.open(
            pynvml, {card.facts.uuid: card.handle for card in self._cards if card.handle}
        )

    def _close(self, pynvml: Any) -> None:
        if self._cards is not None:
            self._cards = None
            self._xids.close(pynvml)
            try:
                pynvml.nvmlShutdown()
            except pynvml.NVMLError:
                # It was closed already: the driver went away under it.
                return


_HERE = Nvml()
_INVENTORY = Inventory(_HERE.read)


def read() -> GpuReport:
    """All GPUs of this machine now, through the one session of this process. Blocks."""
    return _HERE.read()


def inventory() -> tuple[str, ...]:
    """UUIDs of what can be leased here, GPUs and slices, at most 10 s old. Blocks."""
    return _INVENTORY()


def gpus() -> tuple[GpuInfo, ...]:
    """The same with their names."""
    return _INVENTORY.gpus()
