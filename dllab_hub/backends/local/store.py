"""`Store`: the index of all jobs, and the truth of those that have ended.

SQLite holds it, because a list must be quick when there are ten thousand jobs. It may be thrown
away: whatever it knows is in the journal and in the directories of the jobs.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ...errors import Unavailable
from ...specs import JobFilter, JobState, TrainingJob
from . import index
from .disk import disk_errors
from .index import JOB_ID
from .journal import Journal

__all__ = ("Store",)

_LOG = logging.getLogger(__name__)


class Store:
    """Jobs by id, by owner and by time.

    One thread opens the store, writes to it and closes it. `find`, `page`, `known`, `ended` and
    `gpu_seconds` may be called from any thread.

    Args:
        root: Directory of ``index.sqlite`` and ``journal.jsonl``.

    Attributes:
        heard: Each is told, on the thread that writes, of a job that was submitted, has changed its
            state, or was resumed, after that was written down. Notes are no news.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / "index.sqlite"
        self._journal = Journal(root / "journal.jsonl")
        self._writer: sqlite3.Connection | None = None
        self.heard: list[Callable[[TrainingJob], None]] = []

    def open(self) -> None:
        """Open the index; make it anew from the journal when it is missing, damaged or old.

        Raises:
            StorageFull: there is no room for it.
            Unavailable: the state directory cannot be written.
        """
        with disk_errors():
            try:
                self._writer, fresh = index.connect(self._path), False
            except (sqlite3.DatabaseError, index.Outdated) as exc:
                index.move_aside(self._path, exc)
                self._writer, fresh = index.connect(self._path), True
        if fresh or not self._db.execute("SELECT 1 FROM jobs LIMIT 1").fetchone():
            with disk_errors(), self._db:
                known = self._journal.read()
                for job in known.jobs.values():
                    index.put(self._db, job, job.id in known.imported)
                for gone in known.deleted.values():
                    self._bury(gone.id, gone.owner, gone.ended, gone.gpu_seconds)
            if known.jobs:
                _LOG.warning("Rebuilt the index of %d jobs from the journal.", len(known.jobs))

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

    def note(self, owner: str, id: str, changes: Mapping[str, Any]) -> TrainingJob | None:
        """Change fields that do not come from its run; the job then, None when there is none.

        Args:
            owner: Person.
            id: Of the job.
            changes: ``tags``, ``notes``, ``favourite``, ``files`` or ``checkpoint``.

        Raises:
            StorageFull: there is no room; the store is as it was.
        """
        job = self.find(owner, id)
        if job is None:
            return None
        job = job.model_copy(update=dict(changes))
        with self._both({"op": "note", "id": id, **changes}):
            index.put(self._db, job)
        return job

    def take_in(self, jobs: Sequence[TrainingJob]) -> set[str]:
        """Keep jobs that ran elsewhere, all or none, but for those whose id is known.

        Returns:
            Ids of those that are new.

        Raises:
            StorageFull: there is no room; the store is as it was.
        """
        there = self.ids()
        new = {job.id: job for job in reversed(jobs) if job.id not in there}
        if new:
            with self._both(*({"op": "import", "job": job.to_wire()} for job in new.values())):
                for job in new.values():
                    index.put(self._db, job, imported=True)
        return set(new)

    def delete(self, owner: str, id: str) -> None:
        """Forget a job, but not what it has used; nothing when there is none.

        Raises:
            StorageFull: there is no room; the store is as it was.
        """
        row = self._db.execute(
            "SELECT coalesce(ended, created), CASE imported WHEN 0 THEN gpu_seconds ELSE 0 END"
            " FROM jobs WHERE id = ? AND owner = ?",
            (id, owner),
        ).fetchone()
        if row is None:
            return
        ended, used = row
        # Deleted before and imported since, by whomever: what it used here stays with whom it ran
        # for. Else anybody's quota could be wiped by deleting a job twice.
        buried = self._db.execute(
            "SELECT owner, ended, gpu_seconds FROM deleted WHERE id = ?", (id,)
        ).fetchone()
        whose = owner
        if buried is not None:
            whose, before, seconds = buried
            ended, used = max(before, ended) if used else before, used + seconds
        entry = {"op": "delete", "id": id, "owner": whose, "ended": ended, "gpu_seconds": used}
        with self._both(entry):
            index.drop(self._db, id)
            self._bury(id, *(entry[key] for key in ("owner", "ended", "gpu_seconds")))

    def erase(self) -> None:
        """Take what was deleted since the last time out of the journal too.

        Raises:
            StorageFull: there is no room; it stays there.
        """
        found = self._db.execute("SELECT id FROM deleted WHERE erased = 0").fetchall()
        if found:
            with disk_errors(), self._db:
                self._journal.erase({id for (id,) in found})
                self._db.execute("UPDATE deleted SET erased = 1")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def live(self) -> list[TrainingJob]:
        """Jobs that wait or run, oldest first."""
        rows = self._db.execute("SELECT job FROM jobs WHERE live = 1 ORDER BY created, id")
        return [index.read(text) for (text,) in rows]

    def paused(self) -> list[TrainingJob]:
        """Jobs that are paused."""
        rows = self._db.execute("SELECT job FROM jobs WHERE state = ?", (JobState.PAUSED.value,))
        return [index.read(text) for (text,) in rows]

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
        return index.read(row[0]) if row else None

    def known(self) -> dict[str, str]:
        """The owner of each job, by id."""
        with self._reader() as db:
            return dict(db.execute("SELECT id, owner FROM jobs"))

    def ended(self) -> list[tuple[str, str, float, bool]]:
        """Owner, id, end and whether it is a favourite, of ended jobs with files; oldest first."""
        over = [state.value for state in JobState if state.is_terminal]
        with self._reader() as db:
            return [
                (owner, id, ended, bool(favourite))
                for owner, id, ended, favourite in db.execute(
                    "SELECT owner, id, coalesce(ended, created) AS moment, favourite FROM jobs"  # noqa: S608
                    f" WHERE files = 1 AND state IN ({', '.join('?' * len(over))})"
                    " ORDER BY moment",
                    over,
                )
            ]

    def gpu_seconds(self, owner: str, since: float) -> float:
        """GPUs times seconds of an owner's jobs that have ended, or were paused, since then.

        Those count that were deleted meanwhile, and not those that ran elsewhere.
        """
        with self._reader() as db:
            (used,) = db.execute(
                "SELECT total(gpu_seconds) FROM ("
                " SELECT gpu_seconds FROM jobs WHERE owner = :owner AND NOT imported"
                " AND gpu_seconds > 0 AND ended >= :since UNION ALL"
                " SELECT gpu_seconds FROM deleted WHERE owner = :owner AND ended >= :since)",
                {"owner": owner, "since": since},
            ).fetchone()
        return float(used)

    def page(
        self, owner: str, where: JobFilter, limit: int, after: str | None
    ) -> tuple[list[TrainingJob], str | None]:
        """Jobs of an owner, newest first, and the cursor of the page that follows.

        Raises:
            InvalidRequest: ``after`` is not a cursor of this list.
        """
        with self._reader() as db:
            return index.page(db, owner, where, limit, after)

    @property
    def _db(self) -> sqlite3.Connection:
        if self._writer is None:
            raise Unavailable("the lab's index is not open.", hint="Start the lab again.")
        return self._writer

    def _write(self, job: TrainingJob, op: str | None) -> None:
        with self._both(*([{"op": op, "job": job.to_wire()}] if op else [])):
            index.put(self._db, job)
        for hear in self.heard:
            try:
                hear(job)
            except Exception:  # What others make of it must not undo what has happened.
                _LOG.exception("%s: somebody could not be told that it is %s.", job.id, job.state)

    @contextmanager
    def _both(self, *entries: Mapping[str, Any]) -> Iterator[None]:
        """Both or neither: what the index refuses must not come back from the journal."""
        with disk_errors():
            before = self._journal.append(*entries) if entries else None
            try:
                with self._db:
                    yield
            except BaseException:
                if before is not None:
                    self._journal.cut(before)
                raise

    def _bury(self, id: str, owner: str, ended: float, gpu_seconds: float) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO deleted VALUES (?, ?, ?, ?, 0)",
            (id, owner, ended, gpu_seconds),
        )

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
