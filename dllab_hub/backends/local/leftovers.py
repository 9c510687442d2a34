"""What a service before this one has left in ``jobs/``: drafts, jobs that nobody has accepted,
removals that were cut short.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DLLabError
from ...specs import TrainingJob
from ...state import StateDir
from .index import JOB_ID
from .jobdir import read_job

if TYPE_CHECKING:
    from .place import Place
    from .records import Records
    from .store import Store

__all__ = ("adopt_unknown", "aside", "aside_now", "lost_records")

_LOG = logging.getLogger(__name__)
_GONE = ".gone-"


def aside(path: Path) -> Path:
    """Where the directory of a job is moved to before what is in it is removed."""
    return path.with_name(f"{_GONE}{path.name}")


def aside_now(place: Place) -> list[tuple[str, str]]:
    """Id and owner of each job whose directory is being removed, or was when a service ended."""
    found = []
    for path in sorted(place.state.jobs.glob(f"{_GONE}*")):
        id = path.name.removeprefix(_GONE)
        try:
            owner = json.loads((path / "job.json").read_bytes())["owner"]
        except (OSError, ValueError, KeyError, TypeError):
            owner = ""  # It is half gone already, and its event files may stay.
        if JOB_ID.fullmatch(id) and isinstance(owner, str):
            found.append((id, owner))
    return found


def adopt_unknown(
    state: StateDir, store: Store, located: Callable[[TrainingJob], TrainingJob]
) -> None:
    """Add jobs whose directory is there while the index does not know them; remove drafts.

    Args:
        state: Where things lie.
        store: Open.
        located: The job with the places of its files.
    """
    known = store.ids()
    for path in sorted(state.jobs.iterdir()):
        if path.name.startswith(".new-"):
            shutil.rmtree(path, ignore_errors=True)  # A submit that was cut short.
        elif path.name not in known and JOB_ID.fullmatch(path.name):
            try:
                store.add(located(read_job(path)))
            except (OSError, DLLabError) as exc:
                _LOG.error("The job in %s cannot be adopted: %s", path, exc)


def lost_records(place: Place, records: Records) -> list[TrainingJob]:
    """Jobs that have a record only: index and journal were lost, and their directory is gone."""
    found = []
    for record in records.strangers(place.store.known()):
        gone = {"files": False, "checkpoint": None}
        if record.job.state.is_terminal and not (place.state.jobs / record.job.id).exists():
            found.append(record.job.model_copy(update=gone))
    return found
