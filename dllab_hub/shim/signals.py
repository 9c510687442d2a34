"""Signals: as bytes of a file, and their names.

`signal` is the standard module without its enums: making those is a third of what a lab's shim
needs to start, and numbers do.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

__all__ = ("Signals", "signal", "signal_name")


class Signals:
    """Signals as bytes of a file, so that one selector waits for them and for everything else.

    SIGHUP is caught and forgotten: the terminal that a hub ran in may close. SIGUSR1 pauses a job
    and is forgotten by all else. Handlers, unlike ignored signals, are not inherited through exec.
    """

    _CAUGHT = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in self._CAUGHT:
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def fileno(self) -> int:
        """Readable when a signal has come."""
        return self._read

    def read(self) -> set[int]:
        """Numbers of the signals that came since the last call, each once."""
        try:
            return set(os.read(self._read, 65536))
        except BlockingIOError:
            return set()


def signal_name(number: int) -> str:
    """``SIGKILL``; real-time signals have no name of their own and give ``SIGRTMIN+3``."""
    if number > signal.SIGRTMIN:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
    # Of several names for one number the first by the alphabet, as `signal.Signals` has it.
    return min(
        name
        for name, value in vars(signal).items()
        if value == number and name.startswith("SIG") and not name.startswith("SIG_")
    )
