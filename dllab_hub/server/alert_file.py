"""`AlertFile`: alerts and silences on disk, for the time after a restart."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InvalidRequest
from ..metrics.alerts import Standing
from ..metrics.rules import Kind
from ..specs import Alert
from .due import Did
from .silences import Silences

__all__ = ("AlertFile", "Kept", "Known", "concerned")

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known:
    """One alert.

    Attributes:
        standing: For the engine.
        alert: For people.
        told: Who was told that it fires, and not yet that it is over; the administrator has an
            empty name.
        user: Who uses the GPU that it is about; empty: nobody, or it is about something else.
        acted: Whose it was when something was done about it: others are not told what that was.
    """

    standing: Standing
    alert: Alert
    told: tuple[str, ...] = ()
    user: str = ""
    acted: str = ""


@dataclass(frozen=True)
class Kept:
    """All that is kept.

    Attributes:
        known: Alerts, by id.
        silences: Who is told nothing of an alert.
        acts: What was done by itself.
        looked: When things of each kind were last measured, seconds since the epoch.
        gpus: Whether there has ever been a GPU: then it is a fault that there is none.
    """

    known: Mapping[str, Known] = field(default_factory=dict)
    silences: Silences = field(default_factory=Silences)
    acts: tuple[Did, ...] = ()
    looked: Mapping[Kind, float] = field(default_factory=dict)
    gpus: bool = False


def concerned(before: Mapping[str, Known], after: Mapping[str, Known]) -> set[str]:
    """Owners for whom something has changed that is more than a value."""
    owners: set[str] = set()
    for id in before.keys() | after.keys():
        old, new = before.get(id), after.get(id)
        if _sight(old) != _sight(new):
            owners |= {each.alert.owner for each in (old, new) if each is not None}
    return owners


def _sight(known: Known | None) -> object:
    if known is None:
        return None
    alert = known.alert
    said = alert.state, alert.since, alert.severity, alert.owner, alert.act
    return said, known.told, known.user


class AlertFile:
    """``alerts.json`` below the state's root; only the service's account reads it.

    Args:
        path: Of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Kept:
        """What was saved. A file that is damaged is put aside: then alerts begin anew."""
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return Kept()
        try:
            data = json.loads(text)
            known = [_known(each) for each in data["alerts"]]
            return Kept(
                known={each.alert.id: each for each in known},
                silences=Silences({(str(i), str(p)): float(t) for i, p, t in data["silences"]}),
                looked={kind: float(time) for kind, time in data["looked"].items()},
                gpus=bool(data["gpus"]),
                acts=tuple(
                    Did(action, str(subject), float(time), str(alert), float(fired))
                    for action, subject, time, alert, fired in data["acts"]
                ),
            )
        except (InvalidRequest, ValueError, KeyError, TypeError, AttributeError) as exc:
            aside = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
            self._path.rename(aside)
            _LOG.error("%s is damaged (%r): kept as %s.", self._path, exc, aside.name)
            return Kept()

    def save(self, kept: Kept) -> None:
        """Write it down, whole or not at all.

        Raises:
            OSError: it cannot be written; what was there before still is.
        """
        data = {
            "alerts": [
                {
                    "standing": each.standing.to_wire(),
                    "alert": each.alert.to_wire(),
                    "told": each.told,
                    "user": each.user,
                    "acted": each.acted,
                }
                for each in kept.known.values()
            ],
            "silences": [(*of, until) for of, until in kept.silences.until.items()],
            "looked": dict(kept.looked),
            "gpus": kept.gpus,
            "acts": kept.acts,
        }
        new = self._path.with_name(f".{self._path.name}.new")
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(data, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def _known(data: Mapping[str, Any]) -> Known:
    return Known(
        Standing.from_wire(data["standing"]),
        Alert.from_wire(data["alert"]),
        told=tuple(str(each) for each in data["told"]),
        user=str(data["user"]),
        acted=str(data["acted"]),
    )
