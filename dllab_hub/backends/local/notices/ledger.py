"""`Ledger`: what people have set, which jobs are watched, and what has to be sent; on disk.

One SQLite file that only the service's account can read: it holds what signs people's messages.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ....specs import Alert, Delivery, JobState, NoticeWish
from ..disk import disk_errors
from .message import Seen

__all__ = ("Ledger", "Letter", "Settings")

_LOG = logging.getLogger(__name__)
By = Literal["webhook", "email"]
#: Deliveries of a person that are shown; others that are done are kept for a day.
_SHOWN, _DAY = 20, 86400.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (
    owner TEXT PRIMARY KEY, webhook TEXT, secret TEXT, email TEXT, kinds TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS watched (
    job TEXT PRIMARY KEY, owner TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL,
    silent INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS letters (
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, job TEXT NOT NULL, kind TEXT NOT NULL,
    by TEXT NOT NULL, time REAL NOT NULL, due REAL, tries INTEGER NOT NULL, state TEXT NOT NULL,
    message TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS letters_due ON letters (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS letters_of ON letters (owner, id DESC);
"""


@dataclass(frozen=True)
class Settings:
    """What a person has set; ``secret`` signs, and leaves this process for nobody."""

    webhook: str | None = None
    secret: str | None = None
    email: str | None = None
    on: tuple[str, ...] = NoticeWish().on

    @property
    def ways(self) -> list[By]:
        """By which they want to be told."""
        ways: list[By] = ["webhook"] if self.webhook else []
        return [*ways, "email"] if self.email else ways

    def __repr__(self) -> str:
        return f"Settings(webhook={self.webhook!r}, email={self.email!r}, on={self.on!r})"


@dataclass(frozen=True)
class Letter:
    """One message to one place.

    Attributes:
        id: Number.
        owner: Whose it is.
        by: How it goes.
        tries: So far.
        body: What it says.
    """

    id: int
    owner: str
    by: By
    tries: int
    body: bytes


class Ledger:
    """May be used by one thread at a time.

    Args:
        folder: ``notices`` below the state's root; made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "notices.sqlite"
        self._db: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file, or make it. One that is damaged is put aside: nobody is told anything
        then until they set it again.

        Raises:
            StorageFull: there is no room for it.
            Unavailable: the state directory cannot be written.
        """
        with disk_errors():
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                self._db = self._connect()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as exc:
                aside = f"notices.sqlite.damaged-{time.time_ns()}"
                _LOG.error("%s is damaged (%s): kept as %s.", self._path, exc, aside)
                for suffix in ("", "-wal", "-shm"):
                    part = self._path.with_name(self._path.name + suffix)
                    if part.exists():
                        part.rename(self._path.with_name(aside + suffix))
                self._db = self._connect()

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def settings(self, owner: str) -> Settings:
        """What a person has set."""
        with self._use() as db:
            row = db.execute(
                "SELECT webhook, secret, email, kinds FROM settings WHERE owner = ?", (owner,)
            ).fetchone()
        if row is None:
            return Settings()
        return Settings(row[0], row[1], row[2], tuple(json.loads(row[3])))

    def set(self, owner: str, settings: Settings) -> None:
        """Set it anew."""
        with self._use() as db:
            db.execute(
                "INSERT OR REPLACE INTO settings VALUES (?, ?, ?, ?, ?)",
                (owner, settings.webhook, settings.secret, settings.email, json.dumps(settings.on)),
            )

    def watched(self) -> dict[str, tuple[str, Seen]]:
        """Owner of each job that has not ended, and what was known of it, by id."""
        with self._use() as db:
            rows = db.execute("SELECT job, owner, state, attempt, silent FROM watched").fetchall()
        return {
            job: (owner, Seen(JobState(state), attempt, bool(silent)))
            for job, owner, state, attempt, silent in rows
        }

    def forget(self, jobs: Iterable[str]) -> None:
        """Jobs that are gone are watched no more."""
        with self._use() as db:
            db.executemany("DELETE FROM watched WHERE job = ?", [(job,) for job in jobs])

    def hear(
        self, owner: str, job: str, seen: Seen, kind: str, by: Sequence[By], body: bytes
    ) -> None:
        """A job is watched as of now, or no more; what is to be sent about it is kept with that."""
        now = time.time()
        with self._use() as db:
            if seen.state.is_terminal:
                db.execute("DELETE FROM watched WHERE job = ?", (job,))
            else:
                db.execute(
                    "INSERT OR REPLACE INTO watched VALUES (?, ?, ?, ?, ?)",
                    (job, owner, seen.state.value, seen.attempt, int(seen.silent)),
                )
            for way in by:
                self._add(db, owner, job, kind, way, now, body)

    def tell(self, owner: str, alert: Alert, by: Sequence[By], body: bytes) -> None:
        """Keep what is to be sent about an alert, unless it is kept already: nobody is told twice
        that it fires, or that it is over.
        """
        now = time.time()
        with self._use() as db:
            for way in by:
                known = db.execute(
                    "SELECT 1 FROM letters WHERE owner = ? AND job = ? AND by = ?"
                    " AND kind = 'alert' AND json_extract(CAST(body AS TEXT), '$.state') = ?"
                    " AND json_extract(CAST(body AS TEXT), '$.fired') = ?",
                    (owner, alert.id, way, alert.state, alert.fired),
                ).fetchone()
                if known is None:
                    self._add(db, owner, alert.id, "alert", way, now, body)

    def write(self, owner: str, kind: str, by: By, body: bytes) -> Letter:
        """A letter that is sent at once by whoever asks for it, and not again."""
        with self._use() as db:
            number = self._add(db, owner, "", kind, by, time.time(), body)
            db.execute("UPDATE letters SET due = NULL WHERE id = ?", (number,))
        return Letter(number, owner, by, 0, body)

    def due(self, now: float, most: int, each: int) -> tuple[list[Letter], float | None]:
        """Letters that are to be sent now, oldest first, and when there is another.

        Args:
            now: Seconds since the epoch.
            most: Letters.
            each: Letters of one person.
        """
        with self._use() as db:
            rows = db.execute(
                "SELECT id, owner, by, tries, body FROM (SELECT *, row_number()"
                " OVER (PARTITION BY owner ORDER BY due, id) AS place FROM letters"
                " WHERE due IS NOT NULL AND due <= ?) WHERE place <= ? ORDER BY due LIMIT ?",
                (now, each, most),
            ).fetchall()
            (following,) = db.execute(
                "SELECT min(due) FROM letters WHERE due > ?", (now,)
            ).fetchone()
        return [Letter(*row) for row in rows], following

    def tried(self, letter: Letter, state: str, message: str, due: float | None) -> None:
        """What came of a try, and when the next one is; None: there is none."""
        with self._use() as db:
            db.execute(
                "UPDATE letters SET tries = tries + 1, state = ?, message = ?, due = ?"
                " WHERE id = ?",
                (state, message, due, letter.id),
            )
            db.execute(
                "DELETE FROM letters WHERE owner = ?1 AND due IS NULL AND time < ?2 AND id NOT IN"
                " (SELECT id FROM letters WHERE owner = ?1 ORDER BY id DESC LIMIT ?3)",
                (letter.owner, time.time() - _DAY, _SHOWN),
            )

    def deliveries(self, owner: str) -> tuple[Delivery, ...]:
        """The last ones of a person, newest first."""
        with self._use() as db:
            rows = db.execute(
                "SELECT time, job, kind, by, state, tries, message FROM letters"
                " WHERE owner = ? ORDER BY id DESC LIMIT ?",
                (owner, _SHOWN),
            ).fetchall()
        keys = ("time", "job", "kind", "by", "state", "tries", "message")
        return tuple(Delivery(**dict(zip(keys, row, strict=True))) for row in rows)

    def count(self, owner: str, since: float) -> int:
        """Letters of a person since then."""
        with self._use() as db:
            (number,) = db.execute(
                "SELECT count(*) FROM letters WHERE owner = ? AND time >= ?", (owner, since)
            ).fetchone()
        return int(number)

    def _add(
        self,
        db: sqlite3.Connection,
        owner: str,
        job: str,
        kind: str,
        by: By,
        now: float,
        body: bytes,
    ) -> int:
        return int(
            db.execute(
                "INSERT INTO letters (owner, job, kind, by, time, due, tries, state, message, body)"
                " VALUES (?, ?, ?, ?, ?, ?, 0, 'retrying', '', ?)",
                (owner, job, kind, by, now, now, body),
            ).lastrowid
            or 0
        )

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # Used by the threads of an executor of one.
        db = sqlite3.connect(self._path, timeout=10, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.executescript(_SCHEMA)
            with db:
                db.execute(  # Of a test, which nobody sends again.
                    "UPDATE letters SET state = 'failed', message = ?"
                    " WHERE due IS NULL AND state = 'retrying'",
                    ("the lab was stopped meanwhile.",),
                )
            with closing(db.execute("SELECT 1 FROM letters LIMIT 1")) as look:
                look.fetchone()
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        if self._db is None:
            raise RuntimeError("the ledger is not open")
        with disk_errors(), self._db:
            yield self._db
