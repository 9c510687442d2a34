"""`Output`: what the processes of one attempt write, from their pipes into the logs."""

from __future__ import annotations

import os
import selectors
from collections.abc import Sequence

from .logs import Logs
from .record import Events
from .replica import Replica

__all__ = ("Output",)

#: Most bytes taken out of a pipe at once, so that one process cannot starve the others.
_PIECE = 64 * 1024
#: Most bytes taken from a pipe whose process has ended: a grandchild may write for ever.
_LEFT_IN_PIPE = 4 * 1024 * 1024


class Output:
    """One pipe for each process, read when the loop's selector says so.

    Args:
        logs: Where all of it goes.
        selector: Of the loop; each pipe is registered with its replica as data.
        events: Hears when the disk is full.
    """

    def __init__(self, logs: Logs, selector: selectors.BaseSelector, events: Events) -> None:
        self._logs = logs
        self._selector = selector
        self._events = events

    def open(self, replica: Replica) -> int:
        """A pipe for a process that starts.

        Returns:
            The end to write to, which the caller closes.
        """
        read, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read, False)
        replica.pipe = read
        self._selector.register(read, selectors.EVENT_READ, replica)
        return write

    def pump(self, replica: Replica, most: int = _PIECE) -> int:
        """Take what the process has written, at most so many bytes.

        Returns:
            How many there were.
        """
        taken = 0
        while taken < most and replica.pipe >= 0:
            try:
                data = os.read(replica.pipe, _PIECE)
            except BlockingIOError:
                break
            if not data:
                self._forget(replica)
                break
            taken += len(data)
            lost_before = self._logs.dropped
            self._logs.write(replica.name, data)
            if self._logs.dropped and not lost_before:
                self._events.add("LogsDropped", "the disk is full: logs are being lost.")
        return taken

    def tail(self, replica: Replica) -> str:
        """The end of its log, after it has ended: all that it left in the pipe is in it."""
        self.pump(replica, _LEFT_IN_PIPE)
        return self._logs.tail(replica.name)

    def close(self, gang: Sequence[Replica]) -> None:
        """Nothing of the attempt runs any more: take the rest and close all."""
        for replica in gang:
            self.pump(replica, _LEFT_IN_PIPE)
            self._logs.end(replica.name)
            if replica.pipe >= 0:
                self._forget(replica)
        self._logs.close()
        if self._logs.dropped:
            self._events.add("LogsDropped", f"{self._logs.dropped} bytes of logs were lost.")

    def _forget(self, replica: Replica) -> None:
        self._selector.unregister(replica.pipe)
        os.close(replica.pipe)
        replica.pipe = -1
