"""`Lease`: GPUs that were taken, and what is said when they cannot be. Standard library only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import TracebackType

from .errors import NoCapacity

__all__ = ("Lease", "counted", "shortage")


@dataclass(frozen=True)
class Lease:
    """GPUs that were taken.

    To hand it over, start the new holder with ``pass_fds=lease.fds`` and `release` it here: the
    lock belongs to the open file, so it stays with the one who still has it.

    Attributes:
        uuids: Of the GPUs, in the machine's order.
        fds: Open files that carry the locks, close-on-exec.
        loans: Those of ``uuids`` that are borrowed from a lab.
    """

    uuids: tuple[str, ...]
    fds: tuple[int, ...]
    loans: tuple[str, ...] = ()

    def release(self) -> None:
        """Close this process's files, once. Never unlocks for somebody it was handed to."""
        for fd in self.fds:
            os.close(fd)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def shortage(free: int, n: int, total: int, aside: int) -> NoCapacity:
    """What whoever needs more GPUs than are free is told.

    Args:
        free: How many are.
        n: How many are needed.
        total: How many there are.
        aside: How many of them are out of use.
    """
    out = f"; {counted(aside)} {'is' if aside == 1 else 'are'} out of use" if aside else ""
    if n > total:
        return NoCapacity(f"{n} GPUs are needed and this machine has {total or 'none'}.")
    needed = f"{counted(n)} {'is' if n == 1 else 'are'}"
    have = "none" if not free else f"only {free}"
    are = "is" if free < 2 else "are"
    return NoCapacity(f"{needed} needed and {have} of {total} {are} free{out}.")


def counted(count: int) -> str:
    """``1 GPU``, ``2 GPUs``."""
    return "1 GPU" if count == 1 else f"{count} GPUs"
