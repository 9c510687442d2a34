"""`Ranks`: the processes of a training speak with one another, and fail together."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

__all__ = ("Ranks",)

_T = TypeVar("_T")
#: Seconds at exit in which Python's lock is free.
_MOMENT = 0.1


class Ranks:
    """All ranks of the process group; without one, this process alone.

    It has a group of its own, over the CPU: what is said here neither waits for a GPU nor gets
    between the collectives of the training. Making it, and every method, is for all ranks at once.

    Attributes:
        rank: Of this process, from 0.
        size: How many there are.
        group: The group, or None for a process alone.
    """

    def __init__(self) -> None:
        import torch.distributed as dist

        self.rank, self.size, self.group = 0, 1, None
        if dist.is_available() and dist.is_initialized():
            self.rank, self.size = dist.get_rank(), dist.get_world_size()
            self.group = dist.new_group(backend="gloo")
        self._asked: tuple[Any, Any] | None = None
        if self.group is not None:
            atexit.register(_let_go)

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def any(self, wish: bool) -> bool:
        """Whether some rank wished it at the last call but this: all ranks get the same answer.

        The answer is one call late because it travels while the step in between is computed.
        """
        if self.group is None:
            return wish
        import torch
        import torch.distributed as dist

        before, flag = self._asked, torch.tensor([int(wish)], dtype=torch.int32)
        said = dist.all_reduce(flag, dist.ReduceOp.MAX, group=self.group, async_op=True)
        self._asked = (said, flag)
        if before is None:
            return False
        before[0].wait()
        return bool(before[1].item())

    def gather(self, value: _T) -> list[_T]:
        """What every rank has, by rank, on all of them."""
        if self.group is None:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.group)
        return values

    def together(self, call: Callable[[], _T]) -> _T:
        """Call it on every rank, and go on only when it went well on all; this rank's result.

        Raises:
            OSError: the first rank's that failed so, on all ranks. Another error is raised where it
                happened, and as RuntimeError elsewhere.
        """
        value, error = None, None
        try:
            value = call()
        except Exception as exc:  # It is raised below, when the others know.
            error = exc
        said = self.gather(_wire(error))
        if error is not None and not isinstance(error, OSError):
            raise error
        for rank, wire in enumerate(said):
            if wire:
                raise _error(rank, wire) from error
        return cast(_T, value)

    def on_first(self, call: Callable[[], _T]) -> _T:
        """Call it on rank 0 only; its result, or its error as in `together`, on all ranks."""
        value = self.together(lambda: call() if self.is_first else None)
        return cast(_T, self.gather(value)[0])


def _let_go() -> None:
    """Give the threads of process groups the time to drop what they hold, before the exit.

    One that finished a collective drops its tensors, for which it needs Python's lock. If Python is
    at its end by then it ends that thread in a way that C++ answers with an abort (seen in 1 of 12
    ends, torch 2.13 and Python 3.11): a training that had saved, and ended as asked, looked like a
    crash. ``destroy_process_group`` is no help: threads live as long as something refers to them.
    """
    time.sleep(_MOMENT)


def _wire(error: Exception | None) -> tuple[int | None, str, str] | None:
    """An error as plain values: not every exception can be sent."""
    if error is None:
        return None
    if isinstance(error, OSError):
        return error.errno, error.strerror or str(error), os.fsdecode(error.filename or "")
    return None, f"{type(error).__name__}: {error}", ""


def _error(rank: int, wire: tuple[int | None, str, str]) -> Exception:
    number, text, filename = wire
    if number is None:
        return RuntimeError(f"rank {rank}: {text}")
    return OSError(number, text, filename) if filename else OSError(number, text)
