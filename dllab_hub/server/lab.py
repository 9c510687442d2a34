"""`Lab`: what the routes serve. Whoever hosts them constructs one and starts it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from .._version import __version__
from ..backends.alerts import Alerts
from ..backends.base import Backend
from ..errors import DLLabError, Unavailable
from ..metrics.host import HostReader
from ..metrics.processes import Processes
from ..runtime.data import volumes
from ..specs import Deployment, Endpoint, GpuReport, Holder
from ..specs.capacity import NOBODY
from .alerting import Alerting
from .stream import Bell, Feed, GpuSource, Stream, as_seen

if TYPE_CHECKING:
    from .audit import Audit
    from .idle import IdleWatch, Restarter

__all__ = ("Lab",)

_LOG = logging.getLogger(__name__)
_There = TypeVar("_There", Deployment, Endpoint)
#: Seconds between two attempts to start the backend.
_RETRY = 2.0
#: Seconds for which it is remembered who holds which GPU: asking means to try every lock.
_HOLDERS_AGE = 1.0


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
        serve_url: Path of the endpoints at this host, with a slash at its end; empty when they are
            not here.
        files: Where the person's own files lie, if this host has any.
        audit: Is told who changes something; None: nobody is.
        alerts: What is wrong; `Alerting` where this host watches itself. None: nobody watches.
        uploads: Of this lab alone: a file lies here while it comes, and all go when it starts. By
            default a temporary directory.
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
        serve_url: str = "",
        files: Path | None = None,
        uploads: Path | None = None,
        audit: Audit | None = None,
        alerts: Alerts | None = None,
    ) -> None:
        self.backend = backend
        self.kind = kind
        self.mode = mode
        self.owner = owner
        self.token = token
        self.boards = tuple(boards)
        self.serve_url = serve_url
        self.files = files
        self.audit = audit
        self.alerts = alerts
        #: Of a lab of a hub: whether it is used, and when it is stopped.
        self.idle: IdleWatch | None = None
        #: Of the lab service: restarts labs with other GPUs.
        self.restarter: Restarter | None = None
        self._uploads = uploads
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._gpus = gpus
        #: What the GPUs do, as it happens; None where the source only answers.
        self.stream = Stream(gpus, self._known) if isinstance(gpus, Feed) else None
        self._find_holders = holders
        self._holders: Mapping[str, Holder] = {}
        self._holders_at = 0.0
        self._processes = Processes()
        #: What the machine, or this container, has left.
        self.host = HostReader(_places)
        # The report, the holders, and the report with whose its processes are by these.
        self._joined: tuple[GpuReport, Mapping[str, Holder], GpuReport] | None = None
        self._ring(gpus)
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
        if self.stream is not None:
            await self.stream.close()
        if isinstance(self.alerts, Alerting):
            await self.alerts.close()
        await self.backend.close()
        if self._scratch is not None:
            self._scratch.cleanup()
        close = getattr(self._gpus, "close", None)
        if close is not None:
            close()
        if self.audit is not None:
            await asyncio.to_thread(self.audit.close)

    @property
    def uploads(self) -> Path:
        """Where a file lies while it comes."""
        if self._uploads is not None:
            return self._uploads
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="dllab-")
        return Path(self._scratch.name)

    def located(self, there: _There) -> _There:
        """A deployment or an endpoint with its URL, if it has none yet."""
        if there.url or not self.serve_url:
            return there
        owner = quote(there.owner, safe="")
        return there.model_copy(update={"url": f"{self.serve_url}{owner}/{there.name}/"})

    def check(self) -> None:
        """Nothing when the backend has started.

        Raises:
            DLLabError: it has not; the message says why.
        """
        if self._trouble is not None:
            raise self._trouble

    @property
    def gpus(self) -> GpuSource:
        """What knows the GPUs."""
        return self._gpus

    @property
    def started(self) -> bool:
        """Whether the backend has started."""
        return self._trouble is None

    async def status(self, owner: str) -> dict[str, Any]:
        """Who asks, and what answers."""
        return {
            "user": owner,
            "version": __version__,
            "backend": self.kind,
            "mode": self.mode,
            "serves": self.backend.serving.offered,
        }

    async def report(self, viewer: str | None) -> GpuReport:
        """The GPUs now, with their holders as ``viewer`` may see them; None sees all names."""
        report = await self._gpus.report()
        return as_seen(*await self._known(report), viewer)

    async def known(self, report: GpuReport) -> tuple[GpuReport, Mapping[str, Holder]]:
        """The report with whose the processes are, and who holds which GPU; with all names.

        What is none of ours on a cluster counts for nobody.
        """
        known, holders = await self._known(report)
        return known, {uuid: one for uuid, one in (holders or {}).items() if one.owner != NOBODY}

    def forget_holders(self) -> None:
        """Who holds which GPU has changed: look anew for whoever asks next."""
        self._holders_at = 0.0

    async def _known(self, report: GpuReport) -> tuple[GpuReport, Mapping[str, Holder] | None]:
        """The report with whose the processes are, and who holds which GPU; with all names. None
        where it is told by somebody who knows it better.
        """
        held = await self._held(report)
        withdrawn = self.alerts.withdrawn if isinstance(self.alerts, Alerting) else {}
        if held is None or not any(gpu.processes for gpu in report.gpus):
            return _with_reasons(report, withdrawn), held
        if self._joined is None or self._joined[0] is not report or self._joined[1] is not held:
            joined = await asyncio.to_thread(self._processes.with_owners, report, held)
            self._joined = (report, held, joined)
        return _with_reasons(self._joined[2], withdrawn), held

    def _ring(self, gpus: GpuSource) -> None:
        """Who watches the GPUs is told of alerts: of our own, or of those that come with them."""
        if isinstance(self.alerts, Alerting):
            self.alerts.known = self.known
        bell = self.alerts if isinstance(self.alerts, Bell) else gpus
        if self.stream is not None and isinstance(bell, Bell):
            self.stream.bell, bell.changed = bell, self.stream.ring

    async def _held(self, report: GpuReport) -> Mapping[str, Holder] | None:
        """Who holds which of these GPUs, with all names; None: it is not found out here."""
        if self._find_holders is None:
            return None
        if not report.gpus:
            return {}
        if time.monotonic() - self._holders_at > _HOLDERS_AGE:
            self._holders_at = time.monotonic()  # Before the wait: one asks, others take the old.
            uuids = [gpu.uuid for gpu in report.gpus if gpu.uuid]
            self._holders = await asyncio.to_thread(self._find_holders, uuids)
        return self._holders

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
                if self._uploads is not None:
                    # Nobody sends what a predecessor that was killed has left here.
                    await asyncio.to_thread(shutil.rmtree, self._uploads, ignore_errors=True)
                self._trouble = None
                _LOG.info("The lab's job service has started.")
                if isinstance(self.alerts, Alerting):
                    await self.alerts.start()
                return
            await asyncio.sleep(_RETRY)


def _with_reasons(report: GpuReport, withdrawn: Mapping[str, str]) -> GpuReport:
    """What is out of use says why."""
    if not withdrawn:
        return report
    gpus = (
        gpu.model_copy(update={"withdrawn": withdrawn.get(gpu.uuid, "")}) for gpu in report.gpus
    )
    return report.model_copy(update={"gpus": tuple(gpus)})


def _places() -> dict[str, Path]:
    """Disks that a person may fill: of the home, and of a lab's volumes that are directories."""
    known = {name: Path(volume.path) for name, volume in volumes().items() if volume.path}
    return {"home": Path.home(), **known}
