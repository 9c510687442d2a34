"""`Lab`: what the routes serve. Whoever hosts them constructs one and starts it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from .._version import __version__
from ..backends.base import Backend
from ..errors import DLLabError, Unavailable
from ..specs import GpuReport, Holder

__all__ = ("GpuSource", "Lab")

_LOG = logging.getLogger(__name__)
#: Seconds between two attempts to start the backend.
_RETRY = 2.0
#: Seconds for which it is remembered who holds which GPU: asking means to try every lock.
_HOLDERS_AGE = 1.0


class GpuSource(Protocol):
    """Whatever knows the GPUs of this machine."""

    async def report(self) -> GpuReport:
        """The GPUs now."""


class Lab:
    """A backend that starts by itself, the GPUs, and what is known about the host.

    Args:
        backend: Runs the jobs.
        gpus: Knows the GPUs.
        kind: What the backend is: ``local``, ``remote``, ``memory``.
        mode: ``single-user`` or ``os-user``.
        owner: Everybody who may come in is this person; None when the host tells them apart.
        token: Lets the kernels of this lab in where the host has no token of its own; or empty.
        boards: TensorBoards as the interface shows them: ``name``, ``url``, ``logdir``.
        holders: Who holds each of these GPUs, with all names. Blocks; called in a thread.
    """

    def __init__(
        self,
        backend: Backend,
        gpus: GpuSource,
        *,
        kind: str = "local",
        mode: str = "single-user",
        owner: str | None = None,
        token: str = "",
        boards: Sequence[Mapping[str, str]] = (),
        holders: Callable[[Sequence[str]], Mapping[str, Holder]] | None = None,
    ) -> None:
        self.backend = backend
        self.kind = kind
        self.mode = mode
        self.owner = owner
        self.token = token
        self.boards = tuple(boards)
        self._gpus = gpus
        self._find_holders = holders
        self._holders: Mapping[str, Holder] = {}
        self._holders_at = 0.0
        self._starting: asyncio.Task[None] | None = None
        self._trouble: DLLabError | None = Unavailable(
            "the lab's job service is starting.", hint="Try again in a moment."
        )

    def start(self) -> None:
        """Start the backend, again and again until it does; returns at once."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(), name="dllab-start")

    async def close(self) -> None:
        """Let go of everything; jobs run on."""
        if self._starting is not None:
            self._starting.cancel()
            with suppress(asyncio.CancelledError):
                await self._starting
        await self.backend.close()
        close = getattr(self._gpus, "close", None)
        if close is not None:
            close()

    def check(self) -> None:
        """Nothing when the backend has started.

        Raises:
            DLLabError: it has not; the message says why.
        """
        if self._trouble is not None:
            raise self._trouble

    async def status(self, owner: str) -> dict[str, Any]:
        """Who asks, and what answers."""
        return {"user": owner, "version": __version__, "backend": self.kind, "mode": self.mode}

    async def report(self, owner: str) -> GpuReport:
        """The GPUs now, with their holders as ``owner`` may see them."""
        report = await self._gpus.report()
        if self._find_holders is None or not report.gpus:
            return report
        if time.monotonic() - self._holders_at > _HOLDERS_AGE:
            self._holders_at = time.monotonic()  # Before the wait: one asks, others take the old.
            uuids = [gpu.uuid for gpu in report.gpus if gpu.uuid]
            self._holders = await asyncio.to_thread(self._find_holders, uuids)
        return report.model_copy(
            update={
                "gpus": tuple(
                    gpu.model_copy(update={"holder": _as_seen(self._holders.get(gpu.uuid), owner)})
                    for gpu in report.gpus
                )
            }
        )

    async def _start(self) -> None:
        said = ""
        while True:
            try:
                await self.backend.start()
            except DLLabError as exc:
                self._trouble = exc
                if said != (said := str(exc)):
                    _LOG.error("The lab's job service does not start: %s", exc)
            except Exception:
                # A fault of ours: the host must go on, and the log must have all of it.
                _LOG.exception("The lab's job service does not start.")
                self._trouble = DLLabError(
                    "the lab's job service does not start.", hint="The server's log says why."
                )
            else:
                self._trouble = None
                _LOG.info("The lab's job service has started.")
                return
            await asyncio.sleep(_RETRY)


def _as_seen(holder: Holder | None, owner: str) -> Holder | None:
    return holder if holder is None or holder.owner == owner else Holder(kind=holder.kind)
