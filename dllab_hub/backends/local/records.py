"""`Records`: what is known of each job that has ended, in a file of its own that outlives it."""

from __future__ import annotations

import gzip
import json
import logging
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ...names import slug
from ...specs import JobRecord, TrainingJob
from .index import JOB_ID
from .shimdir import sync_folder

__all__ = ("Records", "moment_of")

_LOG = logging.getLogger(__name__)
_SUFFIX, _TEXTS = ".json.gz", ".texts.json.gz"
_DAMAGED = (OSError, EOFError, zlib.error, ValueError)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def moment_of(job: TrainingJob) -> float:
    """Of which end of a job a record is: seconds since the epoch."""
    return job.created if job.ended is None else job.ended


class Records:
    """``records/<owner slug>/<id>.json.gz``: the service's own files. Everything blocks.

    Beside it ``<id>.texts.json.gz`` has short texts that travelled with the job as a workspace.

    The time of a file is that of the end it is about: a job can be resumed, and end again.

    Args:
        root: Made when it is needed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, record: JobRecord) -> None:
        """Keep a record, whole or not at all.

        Args:
            record: Its job names the owner.

        Raises:
            OSError: it could not be written; one from before is as it was.
        """
        job = record.job
        text = record.model_dump_json().encode()
        self._replace(self._path(job.owner, job.id), text, moment_of(job))

    def write_texts(self, job: TrainingJob, texts: Mapping[str, str]) -> None:
        """Keep texts that travelled with a job.

        Args:
            job: The job.
            texts: By SHA-256.

        Raises:
            OSError: they could not be written; what was kept before is as it was.
        """
        text = json.dumps(dict(texts)).encode()
        self._replace(self._path(job.owner, job.id, _TEXTS), text, moment_of(job))

    def texts(self, owner: str, id: str) -> dict[str, str]:
        """What `write_texts` kept of a job; nothing when there is nothing."""
        try:
            found = json.loads(gzip.decompress(self._path(owner, id, _TEXTS).read_bytes()))
        except FileNotFoundError:
            return {}
        except _DAMAGED as exc:
            _LOG.error("The texts of %s cannot be read: %s", id, exc)
            return {}
        return found if isinstance(found, dict) else {}

    def read(self, owner: str, id: str) -> JobRecord | None:
        """The record of a job; None when there is none, or it is damaged, which the log says."""
        path = self._path(owner, id)
        try:
            return JobRecord.model_validate_json(gzip.decompress(path.read_bytes()))
        except FileNotFoundError:
            return None
        except _DAMAGED as exc:
            _LOG.error("The record %s cannot be read: %s", path, exc)
            return None

    def has(self, owner: str, id: str, moment: float) -> bool:
        """Whether there is one of this end of the job."""
        try:
            found = self._path(owner, id).stat().st_mtime_ns
        except FileNotFoundError:
            return False
        return abs(found - round(moment * 1e9)) < 1_000_000

    def remove(self, owner: str, id: str) -> None:
        """Forget a record, if there is one."""
        for suffix in (_TEXTS, _SUFFIX):
            self._path(owner, id, suffix).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            sync_folder(self._root / slug(owner))

    def strangers(self, known: dict[str, str]) -> Iterator[JobRecord]:
        """Records of jobs that are not known: what an index without a journal has lost.

        Args:
            known: Owner of each job, by id.
        """
        for path in sorted(self._root.glob(f"*/*{_SUFFIX}")):
            id = path.name.removesuffix(_SUFFIX)
            if id in known or not JOB_ID.fullmatch(id):
                continue
            try:
                record = JobRecord.model_validate_json(gzip.decompress(path.read_bytes()))
            except _DAMAGED as exc:
                _LOG.error("The record %s cannot be read: %s", path, exc)
                continue
            if record.job.id == id and slug(record.job.owner) == path.parent.name:
                yield record

    def _replace(self, path: Path, text: bytes, moment: float) -> None:
        for folder in (self._root, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        try:
            with open(os.open(beside, _NEW, 0o600), "wb") as file:
                file.write(gzip.compress(text, 6, mtime=0))
                file.flush()
                stamp = round(moment * 1e9)
                os.utime(file.fileno(), ns=(stamp, stamp))
                os.fsync(file.fileno())
            beside.rename(path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)

    def _path(self, owner: str, id: str, suffix: str = _SUFFIX) -> Path:
        if not JOB_ID.fullmatch(id):
            raise ValueError(f"{id!r} is no id of a job.")
        return self._root / slug(owner) / f"{id}{suffix}"
