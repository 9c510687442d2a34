"""`JobDir`: the directory of one job: made in one step, and what the service itself keeps there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...errors import InvalidRequest
from ...specs import Event, TrainingJob
from .account import Account
from .rundir import MIB, RunDir, Unreadable

__all__ = ("JobDir", "read_account", "read_job")

#: What the system says when a file of the code cannot have the name it asks for.
_BAD_NAMES = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EILSEQ}


class JobDir:
    """``jobs/<id>/``, owned by the service; ``run/`` in it is the account's.

    Args:
        path: Of the directory.
        account: Whom the job runs as.
    """

    def __init__(self, path: Path, account: Account) -> None:
        self.path = path
        self.account = account
        self.run = RunDir(path / "run", account)

    @property
    def lock(self) -> Path:
        """The shim of this job holds a lock on this file, exactly as long as it lives."""
        return self.path / "shim.lock"

    def create(self, job: TrainingJob) -> None:
        """Make the whole directory; it appears at once, complete and on the disk, or not at all.

        Raises:
            InvalidRequest: a file of the code cannot be written under its name.
            OSError: there is no room, for example; nothing was left behind.
        """
        new = self.path.with_name(f".new-{self.path.name}")
        try:
            new.mkdir()
            new.chmod(0o711)  # The account passes through to run/, whatever our umask is.
            about = {
                "id": job.id,
                "owner": job.owner,
                "account": self.account.name,
                "spec": job.spec.to_wire(),
                "created": job.created,
            }
            _write(new / "job.json", json.dumps(about).encode())
            _write(new / "shim.lock", b"")
            run = new / "run"
            for folder in (run, run / "workspace", run / "checkpoints", run / "attempts"):
                folder.mkdir(mode=0o700)
            _write_code(run / "workspace", job)
            for folder in (*(path for path in run.rglob("*") if path.is_dir()), run, new):
                _sync(folder)
            new.rename(self.path)
            _sync(self.path.parent)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise

    def remove(self) -> None:
        """Delete the directory of a job that was refused and never launched."""
        aside = self.path.with_name(f".new-{self.path.name}")
        with suppress(FileNotFoundError):
            self.path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    def note(self, name: str, data: dict[str, Any]) -> None:
        """Keep something of the service's own beside ``job.json``.

        Raises:
            OSError: it could not be written; what was there before still is.
        """
        _write(self.path / f".{name}", json.dumps(data).encode())
        (self.path / f".{name}").rename(self.path / name)
        _sync(self.path)

    def noted(self, name: str) -> dict[str, Any] | None:
        """What `note` kept, or None."""
        try:
            data = json.loads((self.path / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return data if isinstance(data, dict) else None

    def say(self, reason: str, message: str) -> None:
        """Add an event that the service itself has to tell."""
        line = json.dumps({"time": time.time(), "reason": reason, "message": message})
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with open(os.open(self.path / "events.jsonl", flags, 0o600), "a") as file:
            file.write(line + "\n")

    def events(self) -> tuple[Event, ...]:
        """What the shim and the service said, oldest first; a line that is no event is left out."""
        lines: list[bytes] = []
        with suppress(FileNotFoundError):
            lines += (self.path / "events.jsonl").read_bytes().splitlines()
        with suppress(Unreadable), self.run.opened("events.jsonl") as (fd, size):
            lines += os.pread(fd, MIB, max(size - MIB, 0)).splitlines()
        events = []
        for line in lines:
            with suppress(ValueError, RecursionError):
                events.append(Event.from_wire(json.loads(line)))
        return tuple(sorted(events, key=lambda event: event.time))


def read_job(path: Path) -> TrainingJob:
    """The job that ``job.json`` in a job's directory describes, as PENDING.

    Raises:
        OSError: it cannot be read.
        InvalidRequest: it is damaged.
    """
    try:
        about = json.loads((path / "job.json").read_bytes())
        job = TrainingJob.from_wire(
            {
                "id": about["id"],
                "owner": about["owner"],
                "spec": about["spec"],
                "created": about["created"],
                "state": "PENDING",
                "reason": "starting.",
            }
        )
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise InvalidRequest(f"{path / 'job.json'} is damaged: {exc!r}.") from exc
    if job.id != path.name:
        raise InvalidRequest(f"{path / 'job.json'} is of another job.")
    return job


def read_account(path: Path) -> str | None:
    """Name of the account that ``job.json`` in a job's directory names, or None."""
    try:
        name = json.loads((path / "job.json").read_bytes())["account"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) else None


def _write_code(workspace: Path, job: TrainingJob) -> None:
    code = job.spec.code
    for name, text in {**code.files, code.filename: code.source}.items():
        path = workspace / name
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(path, text.encode())
        except (OSError, UnicodeEncodeError) as exc:
            if isinstance(exc, OSError) and exc.errno not in _BAD_NAMES:
                raise
            raise InvalidRequest(
                "a file cannot be written under its name beside the others.", field="code.files"
            ) from exc


def _write(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
