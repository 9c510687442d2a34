"""`memory_group`: a control group whose processes the kernel kills when they use more memory."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

__all__ = ("memory_group",)

#: Where control groups are, version 1 and 2, and what limits memory, and memory with swap, there.
_KINDS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max", "memory.swap.max"),
)


@contextmanager
def memory_group(most: int) -> Iterator[Path]:
    """Its directory: a pid in ``cgroup.procs`` puts a process there, with all it will start.

    Skips the test where none can be made. At the end its processes have to be gone, soon.

    Args:
        most: Bytes; no swap beside them.
    """
    for root, limit, swap in _KINDS:
        path = root / f"dllab-test-{os.getpid()}"
        with suppress(OSError):
            path.mkdir()
            (path / limit).write_text(str(most))
            with suppress(OSError):  # Not every kernel counts swap.
                (path / swap).write_text("0" if swap.endswith("max") else str(most))
            break
        with suppress(OSError):
            path.rmdir()
    else:
        pytest.skip("making a control group with a limit of memory needs root")
    yield path
    give_up = time.monotonic() + 20
    while (path / "cgroup.procs").read_text() and time.monotonic() < give_up:
        time.sleep(0.05)
    path.rmdir()
