"""`Journal`: a line whenever a job is accepted, ends, is paused or resumed, or is written about.

The index is rebuilt from it, so a line is on the disk before anybody is told that it happened. It
is only ever appended to, but for what a person has deleted: that is taken out of it.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InvalidRequest
from ...specs import TrainingJob
from .shimdir import sync_folder

__all__ = ("Deleted", "Journal", "Known")

_LOG = logging.getLogger(__name__)
#: How the lines begin that are written here: nobody has to read on to know whose they are.
_BEGINS = re.compile(rb'\{"op":"[a-z]+",(?:"job":\{)?"id":"([a-z0-9-]+)"')
#: What a line of the op ``note`` may change.
_NOTED = {"tags", "notes", "favourite", "files", "checkpoint"}


@dataclass(frozen=True)
class Deleted:
    """What is kept of a job that its owner has deleted: what it counts for in their quota.

    Attributes:
        id: Of the job.
        owner: Person.
        ended: Seconds since the epoch.
        gpu_seconds: GPUs times seconds.
    """

    id: str
    owner: str
    ended: float
    gpu_seconds: float


@dataclass
class Known:
    """What the journal knows.

    Attributes:
        jobs: The last of each job by id, in the order in which they were accepted.
        imported: Ids of those that ran elsewhere.
        deleted: By id.
    """

    jobs: dict[str, TrainingJob] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)
    deleted: dict[str, Deleted] = field(default_factory=dict)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take in a line.

        Raises:
            ValueError, KeyError, TypeError: it is none.
        """
        op = entry["op"]
        if op == "delete":
            gone = Deleted(
                str(entry["id"]),
                str(entry["owner"]),
                float(entry["ended"]),
                float(entry["gpu_seconds"]),
            )
            self.jobs.pop(gone.id, None)
            self.imported.discard(gone.id)
            self.deleted[gone.id] = gone
        elif op == "note":
            changes = {key: entry[key] for key in _NOTED & set(entry)}
            job = self.jobs[entry["id"]]
            self.jobs[job.id] = TrainingJob.from_wire({**job.to_wire(), **changes})
        else:
            job = TrainingJob.from_wire(entry["job"])
            if "gpu_seconds" not in entry["job"]:  # Of a release that did not count them.
                job = job.model_copy(update={"gpu_seconds": job.spec.gpus * job.ran})
            self.jobs[job.id] = job
            if op == "import":
                self.imported.add(job.id)


class Journal:
    """The file ``journal.jsonl``.

    A line is ``{"op", "job": TrainingJob}`` with the op ``submit``, ``end``, ``pause``, ``resume``
    or ``import``; ``{"op": "note", "id", …}`` with fields that a person, or the lab, has changed;
    or ``{"op": "delete", "id", "owner", "ended", "gpu_seconds"}``. The last line of a job says how
    it is; one that was submitted or resumed may have gone on since, as its directory shows.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, *entries: Mapping[str, Any]) -> int:
        """Write lines, all or none, and return the size from before, for `cut`.

        Raises:
            OSError: they could not be written (the disk is full, for example); nothing was added.
        """
        text = b"".join(map(_line, entries))
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            before = os.fstat(fd).st_size
            if before and os.pread(fd, 1, before - 1) != b"\n":
                # The machine went down within a line: end it, so that only that one is lost.
                text = b"\n" + text
            try:
                written = 0
                while written < len(text):
                    written += os.write(fd, memoryview(text)[written:])
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

    def read(self) -> Known:
        """All that it knows.

        A line that cannot be read (the last one may be cut off) is skipped and said in the log.
        """
        known = Known()
        for number, line in enumerate(self._lines(), 1):
            try:
                known.add(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError, InvalidRequest) as exc:
                _LOG.warning("%s: line %d is unreadable, skipped: %s", self._path, number, exc)
        return known

    def erase(self, ids: Collection[str]) -> None:
        """Take out all that was written of jobs before they were deleted.

        Raises:
            OSError: it could not be written; the journal is as it was.
        """
        beside = self._path.with_name(f".{self._path.name}")
        try:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.writelines(self._without(set(ids)))
                file.flush()
                os.fsync(file.fileno())
            beside.rename(self._path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        sync_folder(self._path.parent)

    def _without(self, ids: set[str]) -> Iterable[bytes]:
        # Twice through the file: ten thousand jobs are too much to hold.
        last = {
            id: number for number, line in enumerate(self._lines()) if (id := _deleted(line)) in ids
        }
        for number, line in enumerate(self._lines()):
            # One that was imported again since is a job like any other.
            if number >= last.get(_id(line), -1):
                yield line if line.endswith(b"\n") else line + b"\n"

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                yield from file
        except FileNotFoundError:
            return


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _id(line: bytes) -> str:
    """Whose line it is; empty when that cannot be read."""
    if begins := _BEGINS.match(line):
        return begins[1].decode()
    try:
        entry = json.loads(line)
        return str(entry["id"] if "id" in entry else entry["job"]["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _deleted(line: bytes) -> str:
    return _id(line) if line.startswith(b'{"op":"delete"') else ""
