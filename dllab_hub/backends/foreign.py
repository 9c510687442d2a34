"""`foreign`: a record that was written elsewhere, perhaps by hand, made fit to be kept here."""

from __future__ import annotations

import re
import time

from ..errors import InvalidRequest
from ..names import NAME_PATTERN
from ..specs import JobRecord, TrainingJob

__all__ = ("foreign",)

_ID = re.compile(rf"({NAME_PATTERN})-[a-z0-9]{{7}}")
#: Seconds that another machine's clock may be ahead.
_AHEAD = 24 * 3600.0
_LONGEST_REASON = 2000


def foreign(owner: str, record: JobRecord, index: int = 0) -> JobRecord:
    """The record as this owner's, without files, places and processes.

    Args:
        owner: Whose it becomes.
        record: As it was sent.
        index: Its place among those that were sent, for the message.

    Raises:
        InvalidRequest: it is of a job that has not ended, or its id or a time cannot be.
    """
    job = record.job
    at = f"records.{index}.job"
    if not job.state.is_terminal:
        raise InvalidRequest("the job has not ended.", field=f"{at}.state")
    found = _ID.fullmatch(job.id)
    if not found or found[1] != job.spec.name:
        raise InvalidRequest(
            "must be the name of the job, a hyphen and 7 letters and digits.", field=f"{at}.id"
        )
    _check_times(job, at)
    if job.gpu_seconds < 0 or job.ran < 0:
        field = "gpu_seconds" if job.gpu_seconds < 0 else "ran"
        raise InvalidRequest("must not be negative.", field=f"{at}.{field}")
    replicas = tuple(one.model_copy(update={"pid": None}) for one in job.replicas)
    ours = {
        "owner": owner,
        "files": False,
        "checkpoint": None,
        "workspace": "",
        "tensorboard": "",
        "position": None,
        "silent_since": None,
        "replicas": replicas,
        "reason": job.reason[:_LONGEST_REASON],
        "tags": tuple(dict.fromkeys(job.tags)),
        "notes": job.notes.replace("\0", ""),
    }
    return record.model_copy(update={"job": job.model_copy(update=ours)})


def _check_times(job: TrainingJob, at: str) -> None:
    """A time that cannot be would stand above all others for ever."""
    latest = time.time() + _AHEAD
    for field in ("created", "started", "ended"):
        moment = getattr(job, field)
        if moment is not None and not 0 <= moment <= latest:
            raise InvalidRequest("must be a time in the past.", field=f"{at}.{field}")
