"""`Audit`: who changed what, and whom the lab service refused: one line of JSON each.

::

    {"time": "2026-11-29T12:00:00.000+00:00", "person": "ada", "verb": "POST", "path": "/...jobs",
     "status": 201, "code": "", "made": "digits-b2c3d4f", "address": ""}

A line has no query, no body and no header, so no token and nothing that people compute with.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tornado.httputil import HTTPServerRequest

__all__ = ("Audit", "Deed")

_LOG = logging.getLogger(__name__)
#: Bytes after which a file is put aside, and how many of those are kept.
_LARGEST, _KEPT = 16 * 1024 * 1024, 5
#: Lines that may wait for the disk; what comes when there are so many is counted only.
_WAITING = 10_000
#: Lines that are written at once.
_BATCH = 500
#: Refusals a minute of whom nobody knows: strangers must not push everything else out of the files.
_STRANGERS = 100
#: Seconds between two complaints about the disk, and for the last lines at the end.
_QUIET, _LAST_MOMENTS = 60.0, 2.0
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
#: Characters of a field at most.
_LONGEST = {"person": 255, "verb": 10, "path": 500, "code": 40, "made": 100, "address": 45}


@dataclass(frozen=True)
class Deed:
    """What somebody has asked for, and what became of it.

    Attributes:
        person: Name; empty when nobody knows who it is.
        verb: HTTP method.
        path: As it was sent, without the query.
        status: HTTP status of the answer.
        code: Of the error, such as ``access_denied``; empty when it is none.
        made: Id or name of what was made by it; may be empty.
        address: Where it came from, as far as that can be believed; may be empty.
    """

    person: str
    verb: str
    path: str
    status: int
    code: str = ""
    made: str = ""
    address: str = ""


class Audit:
    """Appends lines to a file on a thread of its own, in order. Nobody waits for the disk.

    A disk that is full, or another trouble with the file, costs lines and no request: the log of
    the service says so, once a minute. The file is put aside as ``<name>.1`` when it is large.

    Args:
        path: Of the file; only its owner may read it.
        trust_proxy: Whether whoever connects is always the hub's proxy, whose word on where a
            request came from can be believed. Else an address of this machine itself says nothing,
            and is left out.
        largest: Bytes after which the file is put aside.
        waiting: Lines that may wait for the disk.
    """

    def __init__(
        self,
        path: Path,
        *,
        trust_proxy: bool = False,
        largest: int = _LARGEST,
        waiting: int = _WAITING,
    ) -> None:
        self._trust_proxy = trust_proxy
        self._path = path
        self._largest = largest
        self._lines: queue.Queue[str | None] = queue.Queue(waiting)
        self._writer: threading.Thread | None = None
        self._closed = False
        self._lost = 0  # Lines that found no place.
        self._strangers, self._minute = 0, 0
        # Of the thread that writes.
        self._unwritten = 0
        self._complained: float | None = None

    def note(self, deed: Deed) -> None:
        """Have it written. Returns at once and never fails; called on the event loop only."""
        if self._closed:
            return
        if not deed.person and not self._may_be_noted():
            return
        self._put(_line({**vars(deed)}))

    def address(self, request: HTTPServerRequest) -> str:
        """Where a request came from, as far as that can be believed; else empty."""
        said = str(request.remote_ip)
        if self._trust_proxy:
            # Each proxy adds whom it has seen; what is before that, anybody may have written.
            *_, said = ",".join(request.headers.get_list("X-Forwarded-For") or [said]).split(",")
        try:
            found = ip_address(said.strip())
        except ValueError:
            return ""
        return "" if found.is_loopback or found.is_unspecified else str(found)

    def close(self) -> None:
        """Write what waits, and end; what cannot be written within a few seconds is given up."""
        self._closed = True
        if self._strangers > _STRANGERS:
            self._put(_line({"left_out": self._strangers - _STRANGERS}))
        if self._writer is None:
            return
        with suppress(queue.Full):
            self._lines.put(None, timeout=_LAST_MOMENTS)
        self._writer.join(_LAST_MOMENTS)

    def _may_be_noted(self) -> bool:
        """Of a stranger: the first ones of each minute; the rest become a number."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            if self._strangers > _STRANGERS:
                self._put(_line({"left_out": self._strangers - _STRANGERS}))
            self._minute, self._strangers = minute, 0
        self._strangers += 1
        return self._strangers <= _STRANGERS

    def _put(self, line: str) -> None:
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="dllab-audit", daemon=True)
            self._writer.start()
        try:
            if self._lost:
                self._lines.put_nowait(_line({"lost": self._lost}))
                self._lost = 0
            self._lines.put_nowait(line)
        except queue.Full:
            self._lost += 1

    # On the thread that writes.

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            batch, ends = [line], False
            while len(batch) < _BATCH and not self._lines.empty():
                if (line := self._lines.get()) is None:
                    ends = True
                    break
                batch.append(line)
            try:
                missing = [_line({"lost": self._unwritten})] if self._unwritten else []
                self._append([*missing, *batch])
                self._unwritten = 0
            except OSError as exc:
                self._unwritten += len(batch)
                self._complain(exc)
            if ends:
                return

    def _append(self, lines: Sequence[str]) -> None:
        """All of them, or none: half a line would make the next one unreadable."""
        data = "".join(lines).encode("ascii")
        # Opened each time: somebody may have put the file aside by their own rules.
        fd = os.open(self._path, _FLAGS, 0o600)
        try:
            os.fchmod(fd, 0o600)
            size = os.fstat(fd).st_size
            if size and size + len(data) > self._largest:
                os.close(fd)
                fd = -1
                self._put_aside()
                fd, size = os.open(self._path, _FLAGS, 0o600), 0
            elif size and os.pread(fd, 1, size - 1) != b"\n":
                data = b"\n" + data  # A machine went down in the middle of a line.
            try:
                written = os.write(fd, data)
                if written < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                os.ftruncate(fd, size)
                raise
        finally:
            if fd >= 0:
                os.close(fd)

    def _put_aside(self) -> None:
        names = [self._path.with_name(f"{self._path.name}.{n}") for n in range(1, _KEPT + 1)]
        for older, newer in zip(reversed(names), reversed([self._path, *names[:-1]]), strict=True):
            with suppress(FileNotFoundError):
                newer.replace(older)

    def _complain(self, exc: OSError) -> None:
        now = time.monotonic()
        if self._complained is None or now - self._complained >= _QUIET:
            self._complained = now
            _LOG.error(
                "The audit log %s cannot be written: %s. %d lines are lost so far, and more until "
                "it can.",
                self._path,
                exc.strerror,
                self._unwritten,
            )


def _line(entry: dict[str, Any]) -> str:
    """One line of ASCII: whatever a text holds, it ends no line and moves no cursor."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    short = {
        key: value[: _LONGEST[key]] if isinstance(value, str) else value
        for key, value in entry.items()
    }
    return json.dumps({"time": now, **short}, ensure_ascii=True) + "\n"
