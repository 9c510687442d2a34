"""A shim's children: started clean, bound to its life, heard of through one file, reaped."""

from __future__ import annotations

import ctypes
import os
from fcntl import F_DUPFD_CLOEXEC, fcntl

from .signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

__all__ = ("become_subreaper", "changes", "keep_files_private", "reap", "start")

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
#: Instead of an error's number: what was given is not fit for a program.
_WRONG = "-"
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


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    output: int,
    errors: int | None = None,
    cwd: str | None = None,
) -> int:
    """Start a child that is killed when this process dies.

    It gets the default signal handlers, no blocked signal, /dev/null to read from and no open file
    but ``output`` (and ``errors``, when they go elsewhere) for what it says. The caller is
    single-threaded: the parent-death signal is sent when the *thread* that forked ends. It reaps
    with `reap`. `subprocess` does as much, and takes longer to import than a shim to start.

    Returns:
        Its number.

    Raises:
        OSError: it cannot be executed; ``strerror`` and ``filename`` say why.
        ValueError: an argument or variable contains NUL, or a variable's name is not one.
    """
    parent = os.getpid()
    files = (output, output if errors is None else errors)
    read, write = os.pipe2(os.O_CLOEXEC)
    # Blocked while forking: until exec the child shares the handlers and the file they write to.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _become(argv, env, files, cwd, parent, write)
    except BaseException:
        os.close(read)
        raise
    finally:
        os.close(write)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with open(read, encoding="utf-8", errors="surrogateescape") as pipe:
        trouble = pipe.read()  # Ends when the child's end is closed: by exec, or with it.
    if not trouble:
        return pid
    os.waitpid(pid, 0)
    number, _, about = trouble.partition(" ")
    if number == _WRONG:
        raise ValueError(about)
    raise OSError(int(number), os.strerror(int(number)), about)


def _become(
    argv: Sequence[str],
    env: Mapping[str, str],
    files: Sequence[int],
    cwd: str | None,
    parent: int,
    pipe: int,
) -> NoReturn:
    """In the child: execute the program, or say in the pipe why not."""
    about = argv[0]
    try:
        for number in _RESETTABLE:
            signal.signal(number, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # It died before the line above.
            os._exit(127)
        null = os.open(os.devnull, os.O_RDONLY)
        # All out of the way of 0, 1 and 2 before those are replaced.
        copies = [fcntl(fd, F_DUPFD_CLOEXEC, 3) for fd in (null, *files, pipe)]
        pipe = copies.pop()
        for target, fd in enumerate(copies):
            os.dup2(fd, target)
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) != pipe:
                os.closerange(int(name), int(name) + 1)  # No error for the directory's own.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if cwd is not None:
            about = cwd
            os.chdir(cwd)
            about = argv[0]
        os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606 - never through a shell.
    except OSError as exc:
        os.write(pipe, f"{exc.errno} {about}".encode("utf-8", "surrogateescape"))
    except Exception as exc:
        os.write(pipe, f"{_WRONG} {exc}".encode("utf-8", "surrogateescape"))
    finally:
        os._exit(127)


def reap() -> list[tuple[int, int]]:
    """All children that have ended, adopted ones too.

    Returns:
        ``(pid, code)`` with the code as in `subprocess`: minus the number of a signal.
    """
    return [(pid, code) for pid, code, _ in changes()[0]]


def changes() -> tuple[list[tuple[int, int, int]], dict[int, int]]:
    """What has become of children since the last call; those that have ended are reaped.

    Returns:
        The ended ones as of `reap`, each with the most bytes that it, or one it had waited for,
        ever had in memory; and of the others those that were stopped, each with the number of its
        signal, or that go on, with 0.
    """
    ended: list[tuple[int, int, int]] = []
    stopped: dict[int, int] = {}
    while True:
        try:
            pid, status, used = os.wait3(os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        except ChildProcessError:
            return ended, stopped
        if pid == 0:
            return ended, stopped
        if os.WIFSTOPPED(status):
            stopped[pid] = os.WSTOPSIG(status)
        elif os.WIFCONTINUED(status):
            stopped[pid] = 0
        else:
            stopped.pop(pid, None)
            ended.append((pid, os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024))


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
