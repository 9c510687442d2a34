"""Whether the program was asked to end: SIGTERM, which a cancel, a pause or a shutdown sends."""

from __future__ import annotations

import os
import signal
import threading

__all__ = ("TERMINATED", "Termination")

#: Exit code of a program that SIGTERM ended, as a shell says it.
TERMINATED = 128 + signal.SIGTERM


class Termination:
    """Listens to SIGTERM from now on, so that the training can end between two steps.

    Attributes:
        asked: Whether SIGTERM came.
        heard: Whether it can come: only the main thread may listen.
    """

    def __init__(self) -> None:
        self.asked = False
        self.heard = threading.current_thread() is threading.main_thread()
        if self.heard:
            self._listen()

    def _listen(self) -> None:
        def terminate(*_: object) -> None:
            self.asked = True

        signal.signal(signal.SIGTERM, terminate)

        # A forked data loader must still be ended by SIGTERM, from its first moment on.
        mask = threading.local()

        def hold() -> None:
            mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

        def go_on() -> None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask.before)

        def forget() -> None:
            if signal.getsignal(signal.SIGTERM) is terminate:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            go_on()

        os.register_at_fork(before=hold, after_in_parent=go_on, after_in_child=forget)
