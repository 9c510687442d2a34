"""`Store`: the index of all jobs, and the truth of those that have ended.

SQLite holds it, because a list must be quick when there are ten thousand jobs. It may be thrown
away: whatever it knows is in the journal and in the directories of the jobs.
"""

from __future__ import annotations

import base64
import binascii
import errno
import logging
import math
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ...errors import InvalidRequest, StorageFull, Unavailable
from ...names import NAME_PATTERN
from ...specs import JobFilter, JobState, TrainingJob
from .journal import Journal

__all__ = ("JOB_ID", "Store", "disk_errors")

#: A page has fewer jobs than asked for when these carry much code.
_PAGE_BYTES = 2 * 1024 * 1024
_LOG = logging.getLogger(__name__)

#: What an id of a job looks like; nothing else ever becomes a path.
JOB_ID = re.compile(rf"{NAME_PATTERN}-[a-z0-9]{{7}}")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, created REAL NOT NULL, state TEXT NOT NULL,
    live INTEGER NOT NULL, job TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_by_owner ON jobs (owner, created DESC, id DESC, state);
CREATE INDEX IF NOT EXISTS jobs_live ON jobs (live) WHERE live = 1;
"""


class Store:
    """Jobs by id, by owner and by time.

    One thread opens the store, writes to it and closes it. `find` and `page` may be called from
    any thread.

    Args:
        root: Directory of ``index.sqlite`` and ``journal.jsonl``.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / "index.sqlite"
        self._journal = Journal(root / "journal.jsonl")
        self._writer: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the index; make it anew from the journal when it is missing or damaged.

        Raises:
            StorageFull: there is no room for it.
            Unavailable: the state directory cannot be written.
        """
        with disk_errors():
            try:
                self._writer, fresh = self._connect(), False
            except sqlite3.DatabaseError as exc:
                self._move_aside(exc)
                self._writer, fresh = self._connect(), True
        if fresh or not self._db.execute("SELECT 1 FROM jobs LIMIT 1").fetchone():
            with disk_errors(), self._db:
                count = 0
                for job in self._journal.jobs():
                    self._put(job)
                    count += 1
            if count:
                _LOG.warning("Rebuilt the index of %d jobs from the journal.", count)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def add(self, job: TrainingJob) -> None:
        """Accept a job.

        Raises:
            StorageFull: there is no room; nothing was kept.
        """
        self._write(job, "submit")

    def update(self, job: TrainingJob) -> None:
        """Keep what is known of a job now; its end, or pause, is also written to the journal.

        Raises:
            StorageFull: there is no room; the store is as it was.
        """
        op = "pause" if job.state is JobState.PAUSED else "end" if job.state.is_terminal else None
        self._write(job, op)

    def resume(self, job: TrainingJob) -> None:
        """A job that had ended, or was paused, waits again.

        Raises:
            StorageFull: there is no room; the store is as it was.
        """
        self._write(job, "resume")

    def live(self) -> list[TrainingJob]:
        """Jobs that wait or run, oldest first."""
        rows = self._db.execute("SELECT job FROM jobs WHERE live = 1 ORDER BY created, id")
        return [_read(text) for (text,) in rows]

    def ids(self) -> set[str]:
        """Ids of all jobs."""
        return {id for (id,) in self._db.execute("SELECT id FROM jobs")}

    def find(self, owner: str, id: str) -> TrainingJob | None:
        """The job of this owner and id, as last written; None when there is none."""
        if not JOB_ID.fullmatch(id):
            return None
        with self._reader() as db:
            row = db.execute(
                "SELECT job FROM jobs WHERE id = ? AND owner = ?", (id, owner)
            ).fetchone()
        return _read(row[0]) if row else None

    def page(
        self, owner: str, where: JobFilter, limit: int, after: str | None
    ) -> tuple[list[TrainingJob], str | None]:
        """Jobs of an owner, newest first, and the cursor of the page that follows.

        Raises:
            InvalidRequest: ``after`` is not a cursor of this list.
        """
        clause, bound = "owner = ?", list[object]([owner])
        if after is not None:
            clause += " AND (created, id) < (?, ?)"
            bound += _open_cursor(after)
        if where.states:
            clause += f" AND state IN ({', '.join('?' * len(where.states))})"
            bound += sorted(where.states)
        jobs: list[TrainingJob] = []
        room = _PAGE_BYTES
        with self._reader() as db:
            for (text,) in db.execute(
                f"SELECT job FROM jobs WHERE {clause}"  # noqa: S608 - made of the words above
                " ORDER BY created DESC, id DESC LIMIT ?",
                [*bound, limit + 1],
            ):
                room -= len(text)
                if len(jobs) == limit or (jobs and room < 0):
                    return jobs, _cursor(jobs[-1])
                jobs.append(_read(text))
        return jobs, None

    @property
    def _db(self) -> sqlite3.Connection:
        if self._writer is None:
            raise Unavailable("the lab's index is not open.", hint="Start the lab again.")
        return self._writer

    def _write(self, job: TrainingJob, op: str | None) -> None:
        """Both or neither: what the index refuses must not come back from the journal."""
        with disk_errors():
            before = self._journal.append(op, job) if op else None
            try:
                with self._db:
                    self._put(job)
            except BaseException:
                if before is not None:
                    self._journal.cut(before)
                raise

    def _put(self, job: TrainingJob) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?)",
            (
                job.id,
                job.owner,
                job.created,
                job.state.value,
                int(not job.state.is_terminal and job.state is not JobState.PAUSED),
                job.model_dump_json(),
            ),
        )

    def _connect(self) -> sqlite3.Connection:
        """A writing connection to an index that is whole."""
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(self._path, timeout=10)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            db.executescript(_SCHEMA)
            columns = [row[1] for row in db.execute("PRAGMA table_info(jobs)")]
            if columns != ["id", "owner", "created", "state", "live", "job"]:
                raise sqlite3.DatabaseError(f"unexpected columns {columns}")
        except sqlite3.OperationalError as exc:
            db.close()
            if "unable to open" in str(exc) or "readonly" in str(exc) or "locked" in str(exc):
                raise Unavailable(
                    f"the lab's index {self._path} cannot be written: {exc}.",
                    hint="Check who owns the state directory.",
                ) from exc
            if "full" in str(exc):
                raise StorageFull("the disk that holds the lab's state is full.") from exc
            raise
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db

    def _move_aside(self, why: Exception) -> None:
        aside = self._path.with_name(f"index.sqlite.damaged-{time.time_ns()}")
        _LOG.error("The index %s is damaged (%s): kept as %s.", self._path, why, aside.name)
        for suffix in ("", "-wal", "-shm"):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=10)) as db:
                db.execute("PRAGMA query_only = 1")
                yield db
        except sqlite3.DatabaseError as exc:
            raise Unavailable(
                f"the lab's index cannot be read: {exc}.",
                hint="Restart the lab service; it makes the index anew. No job is touched.",
            ) from exc


@contextmanager
def disk_errors() -> Iterator[None]:
    """A disk without room is `StorageFull`, and one that can only be read `Unavailable`."""
    try:
        yield
    except sqlite3.OperationalError as exc:
        if "full" in str(exc) or "disk I/O" in str(exc):
            raise _full() from exc
        if "readonly" in str(exc):
            raise _read_only() from exc
        raise
    except OSError as exc:
        if exc.errno in _NO_ROOM:
            raise _full() from exc
        if exc.errno == errno.EROFS:
            raise _read_only() from exc
        raise


def _full() -> StorageFull:
    return StorageFull(
        "the disk that holds the lab's state is full.", hint="Delete what is not needed there."
    )


def _read_only() -> Unavailable:
    return Unavailable(
        "the disk that holds the lab's state can only be read.",
        hint="An administrator has to look at it: the kernel's log says why.",
    )


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def _read(text: str) -> TrainingJob:
    return TrainingJob.model_validate_json(text)


def _cursor(job: TrainingJob) -> str:
    return base64.urlsafe_b64encode(f"{job.created!r} {job.id}".encode()).decode().rstrip("=")


def _open_cursor(text: str) -> tuple[float, str]:
    try:
        if len(text) > 200:
            raise ValueError
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).decode()
        created, id = raw.split(" ")
        moment = float(created)
        if not JOB_ID.fullmatch(id) or not math.isfinite(moment):
            raise ValueError
        return moment, id
    except (ValueError, binascii.Error, UnicodeError):
        raise InvalidRequest(
            "is not a page of this list.", hint="Start without it.", field="next"
        ) from None
