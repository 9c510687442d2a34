"""`JobDir`: the directory of one job: made whole before it appears, and what it says of the job."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from ...errors import InvalidRequest
from ...specs import TrainingJob, WorkspaceFile
from .account import known_account
from .luggage import copy_checkpoints, write_code
from .rundir import RunDir
from .shimdir import ShimDir, sync_folder, write_file

__all__ = ("LISTING", "JobDir", "read_account", "read_job", "read_listing")

#: What was in the workspace that travelled with the job; beside ``job.json``, and as safe.
LISTING = "files.json"
#: Files that a record names: it has to fit into a request.
_MOST_FILES = 5000


class JobDir(ShimDir):
    """``jobs/<id>/``: what a job is, and what runs."""

    @classmethod
    def at(cls, path: Path) -> Self:
        """That of a job that was accepted; it need not be there any more."""
        return cls(path, known_account(path, read_account(path)))

    @property
    def draft(self) -> ShimDir:
        """The directory before it appears; whatever is found there at a start is removed."""
        return ShimDir(self.path.with_name(f".new-{self.path.name}"), self.account)

    def create(
        self,
        job: TrainingJob,
        fill: Callable[[Path], None] | None = None,
        begin: RunDir | None = None,
    ) -> None:
        """Make the whole directory as a draft, complete and on the disk.

        Args:
            job: The job.
            fill: Puts the files that travel with it into its workspace; the code's own come after
                them, in their place if they have the same name.
            begin: Of another job, whose newest checkpoints are copied.

        Raises:
            InvalidRequest: a file of the code cannot be written under its name, or there is no
                checkpoint.
            OSError: there is no room, for example; nothing was left behind.
        """
        new = self.draft.path
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
            write_file(new / "job.json", json.dumps(about).encode())
            write_file(new / "shim.lock", b"")
            run = new / "run"
            for folder in (run, run / "workspace", run / "checkpoints", run / "attempts"):
                folder.mkdir(mode=0o700)
            if fill is not None:
                fill(run / "workspace")
            write_code(run / "workspace", job.spec.code)
            if begin is not None:
                copy_checkpoints(begin, run)
            for folder in (*(path for path in run.rglob("*") if path.is_dir()), run, new):
                sync_folder(folder)
        except BaseException:
            self.remove()
            raise

    def appear(self) -> None:
        """Make the draft the directory, at once.

        Raises:
            OSError: it could not be renamed.
        """
        self.draft.path.rename(self.path)
        sync_folder(self.path.parent)

    def remove(self) -> None:
        """Delete the directory, or the draft, of a job that was refused and never launched."""
        with suppress(FileNotFoundError):
            self.path.rename(self.draft.path)
        shutil.rmtree(self.draft.path, ignore_errors=True)


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
                "tags": about["spec"].get("tags", []),
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


def read_listing(folder: JobDir) -> tuple[WorkspaceFile, ...]:
    """The files of the workspace that travelled with a job, at most 5000; none when it had none."""
    try:
        rows = json.loads((folder.path / LISTING).read_bytes())
        return tuple(
            WorkspaceFile(path=path, sha256=sha, size=size, executable=executable)
            for path, sha, size, executable in rows[:_MOST_FILES]
        )
    except (OSError, ValueError, TypeError):
        return ()
