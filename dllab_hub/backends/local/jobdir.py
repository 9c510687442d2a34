"""`JobDir`: the directory of one job: made in one step, and what the service itself keeps there."""

from __future__ import annotations

import errno
import json
import shutil
from contextlib import suppress
from pathlib import Path

from ...errors import InvalidRequest
from ...specs import TrainingJob
from .shimdir import ShimDir, sync_folder, write_file

__all__ = ("JobDir", "read_account", "read_job")

#: What the system says when a file of the code cannot have the name it asks for.
_BAD_NAMES = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EILSEQ}


class JobDir(ShimDir):
    """``jobs/<id>/``: what a job is, and what runs."""

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
            write_file(new / "job.json", json.dumps(about).encode())
            write_file(new / "shim.lock", b"")
            run = new / "run"
            for folder in (run, run / "workspace", run / "checkpoints", run / "attempts"):
                folder.mkdir(mode=0o700)
            _write_code(run / "workspace", job)
            for folder in (*(path for path in run.rglob("*") if path.is_dir()), run, new):
                sync_folder(folder)
            new.rename(self.path)
            sync_folder(self.path.parent)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise

    def remove(self) -> None:
        """Delete the directory of a job that was refused and never launched."""
        aside = self.path.with_name(f".new-{self.path.name}")
        with suppress(FileNotFoundError):
            self.path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


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
            write_file(path, text.encode())
        except (OSError, UnicodeEncodeError) as exc:
            if isinstance(exc, OSError) and exc.errno not in _BAD_NAMES:
                raise
            raise InvalidRequest(
                "a file cannot be written under its name beside the others.", field="code.files"
            ) from exc
