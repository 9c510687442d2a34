"""Starts the processes of one replica in its pod: ``python -m dllab_hub.runtime.launcher PROGRAM``.

It gives each the worker's contract and what its strategy needs to find the others, passes SIGTERM
on, and ends with the code of the first that fails; the others are ended then, so that the pod fails
at once and the whole gang can be relaunched. ``torchrun`` is not used inside: its agent costs one
to two seconds, and says 1 whatever a process's own code was.

Standard library only: the image of a job has nothing else of ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .gang import Gang, environment

__all__ = ("main",)

#: Seconds that the others have to end when one has failed, or all when they are told to.
_GRACE = 20.0
_TICK = 0.05


def main(program: Sequence[str]) -> int:
    """Run the processes of this replica to their ends.

    Args:
        program: What each of them runs; no shell reads it.

    Returns:
        0, or the code of the first that failed, as a shell says it: 128 and its signal's number.
    """
    gang = Gang.of(os.environ)
    for folder in gang.folders:
        folder.mkdir(parents=True, exist_ok=True)
    failed = _link_volumes(gang)
    if failed:
        print(f"dllab: {failed}", file=sys.stderr, flush=True)
        return 1
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, _: told.append(which))
    children: list[subprocess.Popen[bytes]] = []
    try:
        for place in range(gang.processes):
            children.append(_start(program, environment(gang, place, os.environ)))
        return _watch(children, told)
    except OSError as exc:
        print(f"dllab: {program[0]} cannot be started: {exc.strerror}.", file=sys.stderr)
        return 127
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()


def _start(program: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(program, env=dict(env))


def _watch(children: Sequence[subprocess.Popen[bytes]], told: list[int]) -> int:
    """The code of the first that fails, when all have ended."""
    first, give_up, passed = 0, None, 0
    while alive := [child for child in children if child.poll() is None]:
        for which in told[passed:]:
            for child in alive:
                child.send_signal(which)
        passed = len(told)
        code = next((child.returncode for child in children if child.returncode), 0)
        if code and not first:
            first = code
            for child in alive:
                child.terminate()
        if (first or told) and give_up is None:
            give_up = time.monotonic() + _GRACE
        if give_up is not None and time.monotonic() > give_up:
            for child in alive:
                child.kill()
        time.sleep(_TICK)
    first = first or next((child.returncode for child in children if child.returncode), 0)
    return 128 - first if first < 0 else first


def _link_volumes(gang: Gang) -> str:
    """Link what is mounted at an absolute path at ``data/<name>`` too; what is wrong, or ""."""
    for name, about in gang.volumes.items():
        path = about.get("path", "")
        if not path or not about["place"].startswith("/"):
            continue
        link = Path(gang.workspace) / "data" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            link.symlink_to(path)
        except FileExistsError:
            if not link.is_symlink() or os.readlink(link) != path:
                return f"the code has a file where the volume {name} appears: rename data/{name}."
    return ""


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m dllab_hub.runtime.launcher PROGRAM [ARGUMENT...]")
    sys.exit(main(sys.argv[1:]))
