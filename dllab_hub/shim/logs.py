"""The logs of one attempt, or of a server: each replica's bytes as they are, all lines merged."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from . import MERGED_LOG

__all__ = ("Logs", "TAIL_BYTES")

#: A line longer than this is broken in the merged log, so that one replica cannot hold up memory.
_LONGEST_LINE = 64 * 1024
#: This much of the end of each log is kept in memory for its last traceback.
TAIL_BYTES = 64 * 1024


class Logs:
    """Files ``<replica>.log`` with raw bytes, and ``all.log`` with ``[<replica>] `` per line.

    A line enters the merged log when its newline arrives, so lines of two replicas never mix. What
    a full disk does not take is dropped and counted: losing output is better than losing the job.

    Attributes:
        dropped: Bytes that were lost, over all replicas; the merged log does not count.

    Args:
        directory: Of the files.
        replicas: Their names.
        limit: Bytes after which a log is begun anew, and the one so far becomes ``<name>.log.1``;
            there is no merged log then. By default logs grow.
        append: Writes to the end of the file of that name instead, and says how many bytes it took:
            where others write to the merged log too, and take turns.
    """

    def __init__(
        self,
        directory: Path,
        replicas: Iterable[str],
        *,
        limit: int | None = None,
        append: Callable[[str, bytes], int] | None = None,
    ) -> None:
        self.dropped = 0
        self._append = append or self._append_here
        self._limit = limit
        self._directory = directory
        self._files: dict[str, int] = {}
        self._tails = {name: bytearray() for name in replicas}
        self._partial = {name: bytearray() for name in self._tails}
        self._torn = False

    def write(self, replica: str, data: bytes) -> None:
        """Take bytes that a replica has written."""
        self.dropped += len(data) - self._append(replica + ".log", data)
        tail = self._tails[replica]
        tail += data
        if len(tail) > 2 * TAIL_BYTES:
            del tail[:-TAIL_BYTES]
        if self._limit is not None:
            return
        partial = self._partial[replica]
        partial += data
        whole, newline, rest = partial.rpartition(b"\n")
        if newline:
            self._merge(replica, whole.split(b"\n"))
            self._partial[replica] = partial = rest
        while len(partial) >= _LONGEST_LINE:
            self._merge(replica, [partial[:_LONGEST_LINE]])
            del partial[:_LONGEST_LINE]

    def end(self, replica: str) -> None:
        """The replica writes no more: its last line counts, with or without a newline."""
        if partial := self._partial[replica]:
            self._merge(replica, [partial])
            self._partial[replica] = bytearray()

    def tail(self, replica: str) -> str:
        """The last `TAIL_BYTES` of a replica's log, as text."""
        return self._tails[replica][-TAIL_BYTES:].decode("utf-8", "replace")

    def close(self) -> None:
        """Close the files."""
        for fd in self._files.values():
            os.close(fd)
        self._files.clear()

    def _merge(self, replica: str, lines: Iterable[bytes | bytearray]) -> None:
        prefix = f"[{replica}] ".encode()
        text = b"".join(prefix + line + b"\n" for line in lines)
        if self._torn:  # The disk filled up in the middle of a line.
            text = b"\n" + text
        written = self._append(MERGED_LOG, text)
        if written < len(text):
            self._torn = self._torn if written == 0 else text[written - 1 : written] != b"\n"
        else:
            self._torn = False

    def _append_here(self, name: str, data: bytes) -> int:
        """Bytes that could be written."""
        done = 0
        try:
            if self._limit is not None and name in self._files:
                self._turn(name, self._limit - len(data))
            if name not in self._files:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._files[name] = os.open(self._directory / name, flags, 0o600)
            while done < len(data):
                done += os.write(self._files[name], data[done:])
        except OSError:  # Full, over quota, or the directory was taken away.
            return done
        return done

    def _turn(self, name: str, most: int) -> None:
        """Begin a log anew when it has more than so many bytes."""
        if os.fstat(self._files[name]).st_size > most:
            path = self._directory / name
            path.rename(path.with_name(f"{name}.1"))
            os.close(self._files.pop(name))
