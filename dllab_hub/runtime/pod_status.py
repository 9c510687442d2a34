"""`Status`: what a launcher writes down of its replica, for the service and for other pods."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ..shim import ATTEMPTS
from ..shim.replica import Replica
from .gang import Gang
from .pod_folder import Folder

__all__ = ("FAILED", "SAVED", "STATUS", "Status")

#: Behind the name of a replica, in the directory of the attempt: ``{"attempt", "first_attempt",
#: "over", "code", "reason", "time", "processes"}``. ``code`` is that of the pod, null while it
#: runs; ``reason`` is a sentence about a failure, or empty; ``processes`` are as
#: ``specs.ReplicaStatus`` has them; ``time`` is when it was written, seconds since the epoch. One
#: whose launcher was killed says for ever that it is not over: its pod knows better then.
STATUS = ".status.json"
#: Beside them: ``{"replica", "code", "reason", "time"}`` of the replica that failed first.
FAILED = "failed.json"
#: Beside them: ``{"replica", "time"}`` of the one that saves for all, when it has ended.
SAVED = "saved.json"


class Status:
    """The file of one replica in one attempt, written whole or not at all.

    Args:
        folder: The job's run directory.
        gang: The replica.
    """

    def __init__(self, folder: Folder, gang: Gang) -> None:
        self._folder, self._gang = folder, gang

    def show(
        self,
        processes: Sequence[Replica],
        reason: str,
        code: int | None = None,
    ) -> None:
        """Write how it is now; a full disk loses that.

        Args:
            processes: Of the replica.
            reason: Sentence about how it failed, or empty.
            code: Of the pod, when it is over.
        """
        self._write(
            {
                "attempt": self._gang.attempt,
                "first_attempt": self._gang.first_attempt,
                "over": code is not None,
                "code": code,
                "reason": reason,
                "time": time.time(),
                "processes": [one.wire() for one in processes],
            }
        )

    def fail(self, reason: str, code: int) -> None:
        """Tell the other pods of this attempt that it has failed, if nobody has yet."""
        about = {
            "replica": self._gang.name,
            "code": code,
            "reason": reason,
            "time": time.time(),
        }
        with suppress(OSError):
            self._folder.create(json.dumps(about).encode(), *self._path(FAILED))

    def saved(self) -> None:
        """Tell the other pods of this attempt that the one has ended that saves for all."""
        about = {"replica": self._gang.name, "time": time.time()}
        with suppress(OSError):
            self._folder.create(json.dumps(about).encode(), *self._path(SAVED))

    @property
    def gang_saved(self) -> bool:
        """Whether that one has ended: nobody else of this attempt has to be waited for."""
        return self._folder.has(*self._path(SAVED))

    @property
    def gang_failed(self) -> bool:
        """Whether any replica of this attempt has failed: then nothing is left to save."""
        return self._folder.has(*self._path(FAILED))

    def _write(self, about: dict[str, Any]) -> None:
        with suppress(OSError):
            self._folder.replace(
                json.dumps(about).encode(),
                *self._path(f"{self._gang.name}{STATUS}"),
                sync=about["over"],
            )

    def _path(self, name: str) -> tuple[str, ...]:
        return ATTEMPTS, str(self._gang.attempt), name
