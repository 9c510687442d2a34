"""`run_preflight`: what would make a job fail at once, as its account and its interpreter find it.

The code is a stranger's: it is looked at in a process of its own, with the limits of a moment, and
without a GPU. What becomes of that process keeps no job from running: a look that fails has found
nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...runtime import preflight as program
from ...shim.environment import environment as worker_environment
from ...shim.process import sweep
from ...shim.replica import replicas_of
from ...shim.strategy import ports_needed
from ...shim.tree import tree_memory
from ...specs import Preflight
from .account import Account
from .findings import limit, understood
from .shims import environment

__all__ = ("DEEP", "QUICK", "Limits", "run_preflight")

_LOG = logging.getLogger(__name__)

#: Bytes of what it may say, and of the interpreter's own complaints.
_LONGEST, _LONGEST_COMPLAINT = 1024 * 1024, 64 * 1024
#: Seconds after which it ends by itself when nobody has ended it in time.
_PATIENCE = 5
#: Seconds between two looks at its memory.
_INTERVAL = 0.05
#: A process may map more than it uses; this is what the kernel stops it at.
_MAPPED = 4
_MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What one look may take.

    Attributes:
        seconds: On the clock; twice as much of the processors.
        reading: Of these for reading files: the rest of very large code is not looked at.
        memory: Bytes, of all its processes.
    """

    seconds: float
    reading: float
    memory: int


QUICK = Limits(seconds=10, reading=2, memory=1024 * _MIB)
DEEP = Limits(seconds=60, reading=10, memory=4096 * _MIB)


async def run_preflight(
    plan: Mapping[str, Any],
    account: Account,
    *,
    deep: bool = False,
    limits: Limits | None = None,
) -> Preflight:
    """Look for what would make a job fail at once.

    Args:
        plan: What its shim would be told. Its workspace is there and readable for the account.
        account: Whom it would run as.
        deep: Import for real what the code imports.
        limits: Instead of `QUICK` or `DEEP`.
    """
    began = time.monotonic()
    limits = limits or (DEEP if deep else QUICK)
    look = _Look(plan, account, deep, limits)
    try:
        code, why = await look.run()
        findings = understood(look.said(), code, why, look.complaint())
    except OSError as exc:  # No memory, no process, an interpreter that is gone.
        _LOG.warning("A job could not be looked at: %s", exc)
        findings = [limit(f"the code could not be looked at: {exc.strerror or exc}.")]
    finally:
        look.close()
    return Preflight(findings=tuple(findings), seconds=round(time.monotonic() - began, 3))


class _Look:
    """One process, and what it says.

    It writes into memory that cannot grow: nobody has to read along, and nobody who inherits it
    can keep anybody waiting.
    """

    def __init__(
        self, plan: Mapping[str, Any], account: Account, deep: bool, limits: Limits
    ) -> None:
        self._account = account
        self._limits = limits
        self._mark = f"preflight-{secrets.token_hex(8)}"
        self._deep = deep
        overlay = plan.get("overlay")
        # The job gets a copy of the lab's overlay, which is not made yet.
        python = str(Path(overlay["from"], "bin", "python")) if overlay else plan["python"]
        self._python = python
        self._workspace = plan["workspace"]
        self._environment = _environment({**plan, "id": self._mark, "python": python}, account)
        self._request = {
            "programs": _programs(plan, python),
            "strategy": plan["strategy"],
            "volumes": plan.get("volumes", {}),
            "gpus": any(role["gpus"] for role in plan["roles"]),
            "deep": deep,
            "seconds": limits.reading,
            "alarm": round(limits.seconds) + _PATIENCE,
            "cpu": round(2 * limits.seconds),
            "memory": _MAPPED * limits.memory,
        }
        self._result = self._complaints = -1

    async def run(self) -> tuple[int, str]:
        """Its exit code, and the limit it met or an empty string.

        Raises:
            OSError: it could not be started.
        """
        self._result = _memory(_LONGEST)
        self._complaints = _memory(_LONGEST_COMPLAINT)
        process = await asyncio.to_thread(self._start)
        ended = asyncio.get_running_loop().create_future()
        pidfd = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(pidfd, _settle, ended)
        try:
            why = await self._wait(process.pid, ended)
        finally:
            asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)
            # Also when nobody waits for the answer any more: nothing is left behind.
            code = await asyncio.shield(asyncio.to_thread(self._end, process))
        return code, why

    def said(self) -> Iterator[dict[str, Any]]:
        """What it wrote, line by line, as far as it makes sense."""
        for line in os.pread(self._result, _LONGEST, 0).partition(b"\0")[0].splitlines():
            with contextlib.suppress(ValueError, RecursionError):
                found = json.loads(line)
                if isinstance(found, dict):
                    yield found

    def complaint(self) -> str:
        """The last line of what its interpreter said when it could not begin."""
        text = os.pread(self._complaints, _LONGEST_COMPLAINT, 0).partition(b"\0")[0]
        return text.decode("utf-8", "replace").strip().rpartition("\n")[2][:500]

    def close(self) -> None:
        """Forget what it wrote."""
        for fd in (self._result, self._complaints):
            if fd >= 0:
                os.close(fd)

    def _start(self) -> subprocess.Popen[bytes]:
        account = self._account
        request = _memory(0, json.dumps(self._request).encode())
        try:
            return subprocess.Popen(
                (self._python, "-P", f"{program.__path__[0]}/__main__.py", str(self._result)),
                cwd=self._workspace,
                env=self._environment,
                stdin=request,
                stdout=subprocess.DEVNULL,
                stderr=self._complaints,
                pass_fds=(self._result,),
                start_new_session=True,
                umask=0o077,
                user=account.uid if account.name else None,
                group=account.gid if account.name else None,
                extra_groups=os.getgrouplist(account.name, account.gid) if account.name else None,
            )
        finally:
            os.close(request)

    async def _wait(self, pid: int, ended: asyncio.Future[None]) -> str:
        give_up = time.monotonic() + self._limits.seconds
        while not ended.done():
            left = give_up - time.monotonic()
            if left <= 0:
                return f"it took more than {self._limits.seconds:g} s"
            await asyncio.wait({ended}, timeout=min(left, _INTERVAL) if self._deep else left)
            # In a thread: it may have started thousands, and each is looked at.
            most = self._limits.memory
            if self._deep and not ended.done() and await asyncio.to_thread(tree_memory, pid) > most:
                return f"it took more than {most // _MIB} MiB of memory"
        return ""

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        """Kill whatever is left of it; blocks for a moment. Its number is its own until then."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        if self._deep:  # Only then has anything of the person's run, which may have gone its way.
            left = sweep(self._mark, uid=self._account.uid)
            if left:
                _LOG.warning("Processes %s of a preflight cannot be ended.", left)
        return code


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _environment(plan: Mapping[str, Any], account: Account) -> dict[str, str]:
    """That of the first process of the job, but for its GPUs; nobody listens on its ports."""
    roles = [{**role, "gpus": 0} for role in plan["roles"]]
    plan = {**plan, "gpus": [], "roles": roles}
    gang = replicas_of(plan, 1)
    ports = range(1, 1 + ports_needed(plan, gang))
    inherited = environment(account, os.environ)
    run = Path(plan["workspace"]).parent
    return worker_environment(plan, run, gang, gang[0], list(ports), inherited=inherited)


def _programs(plan: Mapping[str, Any], python: str) -> list[list[str]]:
    """What the roles run, each once."""
    words = [list(role.get("program") or plan["program"]) for role in plan["roles"]]
    own = [[python if word == plan["python"] else word for word in line] for line in words]
    return [line for n, line in enumerate(own) if line not in own[:n]]


def _memory(size: int, content: bytes = b"") -> int:
    """A file in memory: with the content, or so many zeros that can only be written over."""
    fd = os.memfd_create("preflight", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        if content:
            os.write(fd, content)
            os.lseek(fd, 0, os.SEEK_SET)
        else:
            os.truncate(fd, size)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    except BaseException:
        os.close(fd)
        raise
    return fd
