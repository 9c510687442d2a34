"""`Echo`: what the processes of a pod write, once more as the output of the pod itself."""

from __future__ import annotations

import os
import select
import selectors
import stat
import time

__all__ = ("Echo", "say")

#: Bytes that wait for the reader.
_MOST_WAITING = 1024 * 1024
#: Seconds that one waits for the reader then. If it takes nothing, what comes is left out until it
#: does; the job's logs have it.
_PATIENCE = 0.2
#: Seconds that a slow reader has at the end.
_LAST_WAIT = 2.0


def say(sentence: str) -> None:
    """A word of the launcher's own, for who reads the log of the pod."""
    try:
        os.write(2, f"dllab: {sentence}\n".encode())
    except OSError:  # Nobody reads, or not now.
        return


class Echo:
    """Writes to a descriptor, and does not wait for a reader that stands still: training goes on
    while a node's disk is full, or its container runtime is restarted.

    Args:
        selector: Of the loop. This object is registered while something waits for the reader, and
            `go_on` is to be called when it says so.
        fd: The descriptor.
    """

    def __init__(self, selector: selectors.BaseSelector, fd: int = 1) -> None:
        self._selector, self._fd = selector, fd
        self._waiting = bytearray()
        self._left_out = 0
        self._stuck = self._closed = False
        kind = os.fstat(fd).st_mode
        if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind):  # A file does not make anybody wait.
            os.set_blocking(fd, False)

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def write(self, data: bytes) -> None:
        """Write, now or when there is room."""
        give_up = time.monotonic() + _PATIENCE
        while not self._has_room(data) and not self._stuck:
            if (left := give_up - time.monotonic()) <= 0:
                break
            self._stuck = not self._wait(left)
        if self._closed:
            return
        if not self._has_room(data):
            self._left_out += len(data)
        elif self._waiting:
            self._waiting += data
        elif (rest := data[self._write(data) :]) and not self._closed:
            self._selector.register(self, selectors.EVENT_WRITE, self)
            self._waiting += rest

    def go_on(self) -> None:
        """There is room again, if anything still waits for it."""
        if not self._waiting:
            return
        done = self._write(self._waiting)
        del self._waiting[:done]
        self._stuck = self._stuck and not done
        if self._closed or not self._waiting:
            self._waiting.clear()
            self._selector.unregister(self)

    def finish(self) -> None:
        """Give the reader some time for what waits, and say what it did not get."""
        give_up = time.monotonic() + _LAST_WAIT
        while self._waiting and (left := give_up - time.monotonic()) > 0:
            self._wait(left)
        if self._left_out:
            say(f"{self._left_out} bytes of output were not shown here; the job's logs have them.")

    def _has_room(self, data: bytes) -> bool:
        return not self._waiting or len(self._waiting) + len(data) <= _MOST_WAITING

    def _wait(self, seconds: float) -> bool:
        """Wait until the reader takes something; whether it did."""
        before = len(self._waiting)
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        poll.poll(seconds * 1000)
        self.go_on()
        return len(self._waiting) < before

    def _write(self, data: bytes | bytearray) -> int:
        """How many bytes were written."""
        done = 0
        view = memoryview(data)
        try:
            while done < len(data):
                done += os.write(self._fd, view[done:])
        except BlockingIOError:
            return done
        except OSError:  # Its reader is gone, or the disk is full where it goes.
            self._closed = True
        finally:
            view.release()
        return done
