"""`connect`, `put`, `page`: the file ``index.sqlite``, its tables and how a list is asked for."""

from __future__ import annotations

import base64
import binascii
import logging
import math
import os
import re
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from ...errors import InvalidRequest, StorageFull, Unavailable
from ...names import NAME_PATTERN
from ...specs import JobFilter, JobState, TrainingJob
from ..filtering import search_text, words_of
from .signature import lacks_none, signature

__all__ = (
    "JOB_ID",
    "Outdated",
    "connect",
    "cursor_of",
    "drop",
    "move_aside",
    "page",
    "put",
    "read",
)

_LOG = logging.getLogger(__name__)
#: What an id of a job looks like; nothing else ever becomes a path.
JOB_ID = re.compile(rf"{NAME_PATTERN}-[a-z0-9]{{7}}")

#: Of the tables below. An index of another release is made anew from the journal.
_VERSION = 2
#: A page has fewer jobs than asked for when these carry much code.
_PAGE_BYTES = 2 * 1024 * 1024
# What is searched lies apart, so that neither a list nor a search reads the jobs it leaves out.
_SCHEMA = f"""
BEGIN;
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
    created REAL NOT NULL, ended REAL, state TEXT NOT NULL, live INTEGER NOT NULL,
    name TEXT NOT NULL, image TEXT NOT NULL, tags TEXT NOT NULL, favourite INTEGER NOT NULL,
    files INTEGER NOT NULL, imported INTEGER NOT NULL, gpu_seconds REAL NOT NULL, job TEXT NOT NULL
);
CREATE INDEX jobs_by_owner
    ON jobs (owner, created DESC, id DESC, state, name, image, favourite, tags);
CREATE INDEX jobs_live ON jobs (live) WHERE live = 1;
CREATE INDEX jobs_by_use ON jobs (owner, ended, gpu_seconds) WHERE gpu_seconds > 0;
CREATE TABLE texts (number INTEGER PRIMARY KEY, text BLOB NOT NULL);
CREATE TABLE signatures (number INTEGER PRIMARY KEY, signature BLOB NOT NULL);
CREATE TABLE deleted (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, ended REAL NOT NULL, gpu_seconds REAL NOT NULL,
    erased INTEGER NOT NULL
);
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_COLUMNS = (
    *("id", "owner", "created", "ended", "state", "live", "name", "image", "tags", "favourite"),
    *("files", "imported", "gpu_seconds", "job"),
)
#: Of version 0.
_BEFORE = ["id", "owner", "created", "state", "live", "job"]
_PUT = (
    f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - made of the words above
    f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in _COLUMNS[1:])}"
)


class Outdated(Exception):
    """The index was made by another release."""


def connect(path: Path) -> sqlite3.Connection:
    """A writing connection to an index that is whole.

    Raises:
        Outdated: another release made it.
        StorageFull: there is no room for it.
        Unavailable: it cannot be written.
        sqlite3.DatabaseError: it is damaged.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, timeout=10)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = ON")  # What a person deletes is not to be found again.
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        (version,) = db.execute("PRAGMA user_version").fetchone()
        there = [row[1] for row in db.execute("PRAGMA table_info(jobs)")]
        if not there and not version:
            db.executescript(_SCHEMA)
        elif version not in (0, _VERSION) or there == _BEFORE:
            raise Outdated(f"it is of version {version}")
        db.execute("SELECT text, signature FROM texts, signatures LIMIT 1").fetchone()
        db.execute(f"SELECT {', '.join(_COLUMNS)} FROM jobs LIMIT 1").fetchone()  # noqa: S608
    except sqlite3.OperationalError as exc:
        db.close()
        if "unable to open" in str(exc) or "readonly" in str(exc) or "locked" in str(exc):
            raise Unavailable(
                f"the lab's index {path} cannot be written: {exc}.",
                hint="Check who owns the state directory.",
            ) from exc
        if "full" in str(exc):
            raise StorageFull("the disk that holds the lab's state is full.") from exc
        raise
    except BaseException:
        db.close()
        raise
    return db


def move_aside(path: Path, why: Exception) -> None:
    """Keep an index that cannot be used; the last one of another release in place of those before.

    Raises:
        OSError: it could not be renamed.
    """
    if isinstance(why, Outdated):
        aside = path.with_name("index.sqlite.before")
        _LOG.warning("The index %s is made anew: %s. Kept as %s.", path, why, aside.name)
    else:
        aside = path.with_name(f"index.sqlite.damaged-{time.time_ns()}")
        _LOG.error("The index %s is damaged (%s): kept as %s.", path, why, aside.name)
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        kept = aside.with_name(aside.name + suffix)
        if part.exists():
            part.rename(kept)
        else:
            kept.unlink(missing_ok=True)


def put(db: sqlite3.Connection, job: TrainingJob, imported: bool | None = None) -> None:
    """Write a job's row; None for ``imported`` leaves that as it is."""
    if imported is None:
        row = db.execute("SELECT imported FROM jobs WHERE id = ?", (job.id,)).fetchone()
        imported = bool(row and row[0])
    db.execute(
        _PUT,
        (
            job.id,
            job.owner,
            job.created,
            job.ended,
            job.state.value,
            int(not job.state.is_terminal and job.state is not JobState.PAUSED),
            job.spec.name,
            job.spec.image,
            "".join(f"\n{tag}\n" for tag in job.tags),
            int(job.favourite),
            int(job.files),
            int(imported),
            job.gpu_seconds,
            job.model_dump_json(),
        ),
    )
    text = search_text(job).encode()
    row = db.execute(
        "SELECT jobs.number, text FROM jobs LEFT JOIN texts USING (number) WHERE id = ?", (job.id,)
    ).fetchone()
    if row[1] != text:
        db.execute("INSERT OR REPLACE INTO texts VALUES (?, ?)", (row[0], text))
        db.execute("INSERT OR REPLACE INTO signatures VALUES (?, ?)", (row[0], signature(text)))


def drop(db: sqlite3.Connection, id: str) -> None:
    """Remove a job's rows."""
    of = "WHERE number = (SELECT number FROM jobs WHERE id = ?)"
    db.execute(f"DELETE FROM texts {of}", (id,))  # noqa: S608
    db.execute(f"DELETE FROM signatures {of}", (id,))  # noqa: S608
    db.execute("DELETE FROM jobs WHERE id = ?", (id,))


def page(
    db: sqlite3.Connection, owner: str, where: JobFilter, limit: int, after: str | None
) -> tuple[list[TrainingJob], str | None]:
    """Jobs of an owner that a filter asks for, newest first, and the cursor of the next page.

    The rule is `filtering.is_wanted`'s.

    Raises:
        InvalidRequest: ``after`` is not a cursor of this list.
    """
    clauses, bound = _where(where)
    words = [word.encode() for word in words_of(where)]
    db.create_function("may_have", 1, lacks_none(words))
    db.create_function("has_words", 1, lambda text: all(word in text for word in words))
    if after is not None:
        clauses.insert(0, "(created, id) < (?, ?)")
        bound = [*_open_cursor(after), *bound]
    jobs: list[TrainingJob] = []
    room = _PAGE_BYTES
    for (text,) in db.execute(
        f"SELECT job FROM jobs WHERE {' AND '.join(['owner = ?', *clauses])}"  # noqa: S608 - made of the words here
        " ORDER BY created DESC, id DESC LIMIT ?",
        [owner, *bound, limit + 1],
    ):
        room -= len(text)
        if len(jobs) == limit or (jobs and room < 0):
            return jobs, cursor_of(jobs[-1])
        jobs.append(read(text))
    return jobs, None


def read(text: str) -> TrainingJob:
    """The job of a row."""
    return TrainingJob.model_validate_json(text)


def cursor_of(job: TrainingJob) -> str:
    """What a page that ends with this job has as ``next``."""
    return base64.urlsafe_b64encode(f"{job.created!r} {job.id}".encode()).decode().rstrip("=")


def _where(where: JobFilter) -> tuple[list[str], list[object]]:
    clauses, bound = list[str](), list[object]()

    def add(clause: str, *values: object) -> None:
        clauses.append(clause)
        bound.extend(values)

    if where.states:
        states: Sequence[str] = sorted({state.value for state in where.states})
        add(f"state IN ({', '.join('?' * len(states))})", *states)
    if where.name is not None:
        add("name = ?", where.name)
    if where.image is not None:
        add("image = ?", where.image)
    if where.tag is not None:
        add("instr(tags, ?)", f"\n{where.tag}\n")
    if where.since is not None:
        add("created >= ?", where.since)
    if where.until is not None:
        add("created < ?", where.until)
    if where.favourite:
        add("favourite = 1")
    if where.text.strip():
        add(
            "(SELECT CASE WHEN may_have(signature) THEN"
            " (SELECT has_words(text) FROM texts WHERE texts.number = jobs.number) END"
            " FROM signatures WHERE signatures.number = jobs.number)"
        )
    return clauses, bound


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
