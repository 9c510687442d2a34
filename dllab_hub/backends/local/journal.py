"""`Journal`: a line whenever a job is accepted, ends, is paused or resumed; only ever appended.

The index is rebuilt from it, so a line is on the disk before anybody is told that it happened.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import InvalidRequest
from ...specs import TrainingJob

__all__ = ("Journal",)

_LOG = logging.getLogger(__name__)


class Journal:
    """The file ``journal.jsonl``, with ``{"op", "job": TrainingJob}`` in each line.

    The op is ``submit``, ``end``, ``pause`` or ``resume``. The last line of a job says how it is;
    one that was submitted or resumed may have gone on since, as its directory shows.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, op: str, job: TrainingJob) -> int:
        """Write one line, whole or not at all, and return the size from before, for `cut`.

        Raises:
            OSError: it could not be written (the disk is full, for example); nothing was added.
        """
        line = json.dumps({"op": op, "job": job.to_wire()}, separators=(",", ":")).encode() + b"\n"
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            before = os.fstat(fd).st_size
            if before and os.pread(fd, 1, before - 1) != b"\n":
                # The machine went down within a line: end it, so that only that one is lost.
                line = b"\n" + line
            try:
                written = 0
                while written < len(line):
                    written += os.write(fd, line[written:])
                os.fsync(fd)
            except OSError:
                os.ftruncate(fd, before)
                raise
        finally:
            os.close(fd)
        return before

    def cut(self, size: int) -> None:
        """Take back what was appended since the journal had ``size`` bytes."""
        os.truncate(self._path, size)

    def jobs(self) -> Iterator[TrainingJob]:
        """The last that is known of each job, in the order in which they were accepted.

        A line that cannot be read (the last one may be cut off) is skipped and said in the log.
        """
        known: dict[str, TrainingJob] = {}
        for number, line in enumerate(self._lines(), 1):
            try:
                entry: Any = json.loads(line)
                job = TrainingJob.from_wire(entry["job"])
            except (ValueError, KeyError, TypeError, RecursionError, InvalidRequest) as exc:
                _LOG.warning("%s: line %d is unreadable, skipped: %s", self._path, number, exc)
                continue
            known[job.id] = job
        yield from known.values()

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                yield from file
        except FileNotFoundError:
            return
