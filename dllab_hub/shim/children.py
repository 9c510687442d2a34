"""A shim's children: started clean, bound to its life, heard of through one file, reaped."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

__all__ = ("Signals", "become_subreaper", "keep_files_private", "reap", "start")

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
_RESETTABLE = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


def become_subreaper() -> None:
    """Orphans among the descendants become children of this process, not of init."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def keep_files_private() -> None:
    """Other processes of the same account can no longer copy open files out of this one.

    Else any of them could take a GPU's lock with pidfd_getfd and hold it on. Children get the usual
    rights back when they execute their program.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


class Signals:
    """Signals as bytes of a file, so that one selector waits for them and for everything else.

    SIGHUP is caught and forgotten: the terminal that a hub ran in may close. Handlers, unlike
    ignored signals, are not inherited through exec.
    """

    _CAUGHT = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

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


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    output: int,
    errors: int | None = None,
    cwd: str | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that is killed when this process dies.

    It gets the default signal handlers, no blocked signal, /dev/null to read from and no open file
    but ``output`` (and ``errors``, when they go elsewhere) for what it says. The caller is
    single-threaded: the parent-death signal is sent when the *thread* that forked ends. It reaps
    with `reap` and sets ``returncode``.

    Raises:
        OSError: it cannot be executed; ``strerror`` and ``filename`` say why.
        ValueError: an argument or variable contains NUL, or a variable's name is not one.
    """
    parent = os.getpid()

    def prepare() -> None:
        for number in _RESETTABLE:
            signal.signal(number, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # It died before the line above.
            os._exit(127)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    # Blocked while forking: until exec the child shares the handlers and the file they write to.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        return subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output if errors is None else errors,
            preexec_fn=prepare,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def reap() -> list[tuple[int, int]]:
    """All children that have ended, adopted ones too.

    Returns:
        ``(pid, code)`` with the code as in `subprocess`: minus the number of a signal.
    """
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append((pid, os.waitstatus_to_exitcode(status)))


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
