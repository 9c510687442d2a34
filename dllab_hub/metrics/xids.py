"""`Xids`: errors that the driver reports of GPUs by itself, counted by number.

NVIDIA calls such an error "Xid". The driver keeps the events until they are fetched, so they are
fetched at each read, in its thread: nobody waits for them, and nothing waits while the session is
ended under it. Numbers: https://docs.nvidia.com/deploy/xid-errors/.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Mapping
from typing import Any

from .nvmlcodes import SESSION, told_if_possible

__all__ = ("Xids",)

#: Milliseconds for which an event is waited for. In the driver's thread, and once a read.
_WAIT = 1
#: Of one read at most: a GPU in trouble may report thousands.
_MOST = 1000


class Xids:
    """Counts since each GPU was first watched; they only grow, also from session to session.

    What is reported while there is no session is not counted.
    """

    def __init__(self) -> None:
        self._set: Any = None
        self._uuids: dict[int | None, str] = {}  # By the value of NVML's handle.
        self._counts: dict[str, Counter[int]] = {}

    def open(self, pynvml: Any, handles: Mapping[str, Any]) -> None:
        """Watch these GPUs; those that cannot be watched have no counts.

        Args:
            pynvml: The module.
            handles: NVML's handles, by UUID.

        Raises:
            pynvml.NVMLError: the session is over.
        """
        self._set = told_if_possible(pynvml, "nvmlEventSetCreate")
        self._uuids = {}
        if self._set is None:
            return
        kind = pynvml.nvmlEventTypeXidCriticalError
        for uuid, handle in handles.items():
            try:
                pynvml.nvmlDeviceRegisterEvents(handle, kind, self._set)
            except pynvml.NVMLError as exc:
                if exc.value in SESSION:
                    raise
                continue  # Not this GPU, or not any more.
            self._uuids[_value(handle)] = uuid
        if not self._uuids:
            self.close(pynvml)

    def fetch(self, pynvml: Any) -> None:
        """Count what was reported since the last time.

        Raises:
            pynvml.NVMLError: the session is over.
        """
        for _ in range(_MOST):
            if self._set is None:
                return
            try:
                event = pynvml.nvmlEventSetWait_v2(self._set, _WAIT)
            except pynvml.NVMLError_Timeout:
                return
            except pynvml.NVMLError as exc:
                if exc.value in SESSION:
                    raise
                # A GPU is gone, and the driver says nothing more of the others until the session is
                # begun anew, which comes with the lost one.
                self.close(pynvml)
                return
            uuid = self._uuids.get(_value(event.device))
            if uuid is not None and event.eventType & pynvml.nvmlEventTypeXidCriticalError:
                self._counts.setdefault(uuid, Counter())[int(event.eventData)] += 1

    def counts(self, uuid: str) -> dict[int, int]:
        """How often each number was reported of a GPU."""
        return dict(self._counts.get(uuid, ()))

    def close(self, pynvml: Any) -> None:
        """Watch no more; before the session ends."""
        events, self._set = self._set, None
        if events is None:
            return
        try:
            pynvml.nvmlEventSetFree(events)
        except pynvml.NVMLError:
            return  # The driver went away under it, and what it kept with it.


def _value(handle: Any) -> int | None:
    return ctypes.cast(handle, ctypes.c_void_p).value
