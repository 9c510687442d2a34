"""How a shim writes: whole files or none, and how it ended even on a full disk.

Every lab waits for its shim, so nothing here imports the json module: it would bring the compiler
of regular expressions along.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("ExitRecord", "flat_json", "replace", "write_all")


def flat_json(data: Mapping[str, str | int | float]) -> str:
    """A JSON object of texts and finite numbers, in ASCII, as ``json.dumps`` writes it."""
    items = (
        f"{_quoted(key)}: {_quoted(value) if isinstance(value, str) else repr(value)}"
        for key, value in data.items()
    )
    return "{" + ", ".join(items) + "}"


def replace(path: str, text: str) -> None:
    """Write a file so that a reader, also one after a crash, finds all of it or the old.

    Raises:
        OSError: nothing was changed.
    """
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{name}.tmp")
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, text.encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(beside, path)
    except BaseException:
        if os.path.lexists(beside):
            os.unlink(beside)
        raise
    directory = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class ExitRecord:
    """How a lab or job ended, in a file whose room is taken before anything runs.

    The file has 4096 bytes: all NUL while it runs, then the JSON object
    ``{"state", "reason", "ended", "attempt"}`` with spaces and a newline behind it. ``ended`` is in
    seconds since the epoch; a job has ``ran`` too. It is overwritten in place, so a full disk
    cannot lose it.
    """

    SIZE = 4096

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Take the room.

        Raises:
            OSError: there is none.
        """
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._fd, self.SIZE)
        os.posix_fallocate(self._fd, 0, self.SIZE)
        os.pwrite(self._fd, bytes(self.SIZE), 0)
        os.fsync(self._fd)

    def write(self, state: str, reason: str, attempt: int, ran: float | None = None) -> None:
        """Say how it ended, now. A reason too long for the file is cut.

        Args:
            state: Name of its last ``JobState``.
            reason: Sentence, or empty.
            attempt: Number of the last one.
            ran: Seconds that a job ran in all.
        """
        ended = time.time()
        more = {} if ran is None else {"ran": ran}
        while True:
            data: dict[str, str | int | float]
            data = {"state": state, "reason": reason, "ended": ended, "attempt": attempt, **more}
            text = flat_json(data).encode()
            if len(text) < self.SIZE:
                break
            # Non-ASCII characters are up to 12 bytes long in JSON: cut by halves, not by count.
            reason = reason[: len(reason) // 2] + "…"
        os.pwrite(self._fd, text.ljust(self.SIZE - 1) + b"\n", 0)
        os.fsync(self._fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, however often the kernel takes a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _quoted(text: str) -> str:
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    code = ord(char)
    if 32 <= code < 127 and char not in '"\\':
        return char
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000  # Two halves, as UTF-16 has it.
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
