"""`Events`: the scalars of a job's event files, merged as TensorBoard does.

A file is read after those of its folder that were begun before. Its points take the place of what
was known of their step and later, for it was written by a training that was set back. An older file
that goes on nevertheless is of a second program: its points are left out, and that is said.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from ..rundir import Unreadable
from .eventdir import MOST_FILES, EventDir, begun
from .records import Records, masked_crc
from .scalars import Scalars
from .series import Series, Snapshot, new_series, shown

__all__ = ("Events",)

#: Names of one job's curves.
_MOST = 500
#: Records with more bytes are believed without their checksum, which Python computes slowly.
_LONGEST_CHECKED = 1024
#: Seconds between two looks at which files there are, while those that are known are being read.
_LOOK = 2.0
_MAX_STEP = 2**62


@dataclass
class _File:
    """One event file."""

    records: Records = field(default_factory=Records)
    size: int = 0


class Events:
    """Of one job, read as its files grow. To be used under a lock.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: EventDir) -> None:
        self._folder = folder
        self._files: dict[tuple[str, ...], _File] = {}
        self._scalars: dict[tuple[str, ...], Scalars] = {}  # By folder.
        self._kinds: set[int] = set()
        self._series: dict[tuple[str, str], Series] = {}  # By run and tag.
        self._notes: dict[str, None] = {}
        self._looked = 0.0
        self._behind = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read, and why."""
        return tuple(self._notes)

    @property
    def size(self) -> tuple[int, int]:
        """Bytes that were read, and that there are."""
        done = total = 0
        for file in self._files.values():
            over = file.records.damage or file.records.torn
            done += file.size if over else min(file.records.at, file.size)
            total += file.size
        return done, total

    def furthest(self, since: float) -> Series | None:
        """The series with the largest step, among those that were written to since then."""
        found = [(last, n) for n, last in enumerate(self._lasts()) if last and last[1] >= since]
        return list(self._series.values())[max(found)[1]] if found else None

    def lasts(self) -> dict[str, tuple[int, float, float]]:
        """The newest point of each curve, by its name with the run before it."""
        return {
            f"{run}/{tag}" if run else tag: last
            for (run, tag), last in zip(self._series, self._lasts(), strict=True)
            if last
        }

    def read(self, deadline: float) -> bool:
        """Read what is new; whether that was all.

        Args:
            deadline: On the monotonic clock.
        """
        self._look()
        files = self._files.items()
        self._behind = not all(self._read(parts, file, deadline) for parts, file in files)
        return not self._behind

    def snapshots(self) -> list[tuple[str, str, Snapshot]]:
        """Run, name and points of each curve."""
        return [
            (run, tag, series.snapshot()) for (run, tag), series in sorted(self._series.items())
        ]

    def _lasts(self) -> list[tuple[int, float, float] | None]:
        return [series.last for series in self._series.values()]

    def _look(self) -> None:
        """See which files there are."""
        now = time.monotonic()
        if self._behind and now - self._looked < _LOOK:
            return
        self._looked = now
        there = self._folder.files()
        if len(there) == MOST_FILES:
            self._note(f"Only {MOST_FILES} event files are read.")
        self._files = {parts: self._files.get(parts) or _File() for parts in there}

    def _read(self, parts: tuple[str, ...], file: _File, deadline: float) -> bool:
        try:
            size = self._folder.size_of(*parts)
            if size is None or (size == file.size and file.records.at >= size):
                return True
            with self._folder.opened(*parts) as (fd, size):
                if size < file.size:
                    file.records = Records()  # Replaced, or cut off: from its start.
                file.size = size
                return self._take(parts, file, fd, deadline)
        except Unreadable as exc:
            self._note(shown(str(exc)))
            return True

    def _take(self, parts: tuple[str, ...], file: _File, fd: int, deadline: float) -> bool:
        scalars = self._scalars.setdefault(parts[:-1], Scalars(self._kinds, parts[:-1]))
        run, begin = _shown(parts[:-1]), begun(parts[-1])
        for record, crc in file.records.read(fd, file.size):
            said = scalars.of(record) if record else None
            if record and said is None and crc is not None:
                file.records.damage = "holds what is no event"
                break
            short = crc is not None and len(record) <= _LONGEST_CHECKED
            if said and said.scalars and short and masked_crc(record) != crc:
                file.records.damage = f"is damaged before byte {file.records.at}"
                break
            if said and said.restarts:
                self._cut(run, said.step)
            if said and 0 <= said.step < _MAX_STEP and math.isfinite(said.time):
                for tag, value in said.scalars:
                    self._add(run, tag, begin, (said.step, said.time, value))
            if time.monotonic() > deadline:
                return False
        if file.records.damage:
            self._note(f"{_shown(parts)} {file.records.damage}; what follows is left out.")
        return True

    def _add(self, run: str, tag: str, begin: str, point: tuple[int, float, float]) -> None:
        found = self._series.get((run, tag))
        if found is None:
            if len(self._series) >= _MOST:
                self._note(f"Only the first {_MOST} scalars of the event files are kept.")
                return
            found = self._series[run, tag] = new_series(len(self._series))
        if begin < found.owner:
            where = f"the folder {run}" if run else "one folder"
            self._note(
                f"Two programs write event files to {where} at the same time; "
                "the curves are of the one that began last."
            )
            return
        if begin > found.owner:
            found.cut(point[0])
            found.owner = begin
        found.add(*point)

    def _cut(self, run: str, step: int) -> None:
        for (other, _), series in self._series.items():
            if other == run:
                series.cut(step)

    def _note(self, text: str) -> None:
        if len(self._notes) < 20:
            self._notes[text] = None


def _shown(parts: tuple[str, ...]) -> str:
    return shown("/".join(part for part in parts if part))
