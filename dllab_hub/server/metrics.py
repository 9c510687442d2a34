"""What Prometheus gets: `Metrics`, a route of the lab service, and `Scraped` for another's route.

The lab service measures everybody's GPUs, jobs and deployments, and tells an administrator or a
service of the hub. A Jupyter server has a route ``/metrics`` of its own, which an administrator may
open to everybody: there nothing is said that tells people, jobs or deployments apart.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ..errors import AccessDenied
from ..metrics.prometheus import CONTENT_TYPE_LATEST, render
from ..metrics.samples import Sample, deployment_samples, gpu_samples, host_samples, job_samples
from ..runtime.data import VolumeError
from ..specs import GpuReport, GpuState
from .alerting import Alerting
from .handler import LabHandler, allowed

if TYPE_CHECKING:
    from .lab import Lab
    from .stream import GpuSource

__all__ = ("ROUTE", "Metrics", "Scraped", "measured")

_LOG = logging.getLogger(__name__)
#: Below the service's prefix.
ROUTE = "metrics"
#: Seconds after a scrape in which the next one is expected: for so long the numbers are kept fresh.
#: At least; where scrapes are further apart, half as long again as between the last two; at most.
_LINGER, _LATER, _LONGEST = 90.0, 1.5, 1800.0
_EVERY = 1.0
#: Seconds after which numbers are not those of now.
_OLD = 5.0
#: When this process began to serve: so long it has waited for a first answer of the driver.
_BEGAN = time.monotonic()
_FAULTS = tuple(
    state.value
    for state in (
        GpuState.STALE, GpuState.FAILED, GpuState.DRIVER_MISMATCH, GpuState.NOT_PERMITTED,
    )
)  # fmt: skip


@runtime_checkable
class _Sampled(Protocol):
    @property
    def age(self) -> float | None: ...

    @property
    def errors(self) -> Mapping[str, int]: ...


async def measured(lab: Lab, *, private: bool) -> list[Sample]:
    """All numbers of a lab now.

    Args:
        lab: Of a lab of a hub only what is its own: the service measures the rest, once for all.
        private: Whether only those come who may see what is everybody's.
    """
    samples = list(_connections(lab))
    with suppress(VolumeError):  # The route `host` says what is wrong with them.
        samples += host_samples(await asyncio.to_thread(lab.host.read))
    if lab.kind == "remote":
        return samples
    report = await lab.report(None)
    holders = {gpu.uuid: gpu.holder for gpu in report.gpus if gpu.holder is not None}
    if lab.kind != "kubernetes":  # There Prometheus knows them better: it has told us.
        samples += gpu_samples(report, holders, private=private)
    samples += _sampling(lab.gpus, report)
    samples.append(Sample("dllab_service_up", lab.started))
    if lab.started:
        samples += job_samples(await lab.backend.live(), private=private)
        deployments = await lab.backend.serving.live()
        samples += deployment_samples(deployments, private=private)
        if private and isinstance(lab.alerts, Alerting):
            samples += lab.alerts.signals.samples(time.time())
        if lab.backend.current is not None:
            name = "dllab_watch_last_event_timestamp_seconds"
            samples.append(Sample(name, lab.backend.current))
    return samples


def _connections(lab: Lab) -> Iterator[Sample]:
    if lab.stream is not None:
        yield Sample("dllab_ws_clients", lab.stream.clients)
        yield Sample("dllab_ws_dropped_total", lab.stream.dropped)


def _sampling(gpus: GpuSource, report: GpuReport) -> Iterator[Sample]:
    if not isinstance(gpus, _Sampled):
        return
    age = gpus.age
    if age is None and report.state is GpuState.STALE:
        age = time.monotonic() - _BEGAN
    if age is not None:
        yield Sample("dllab_sampler_age_seconds", age)
    # From the start on, so that the first one is seen to have been none before.
    for error, count in {**dict.fromkeys(_FAULTS, 0), **gpus.errors}.items():
        yield Sample("dllab_sampler_errors_total", count, {"error": error})


class Metrics(LabHandler):
    """``metrics`` of the lab service: for administrators and services of the hub."""

    #: Also while the backend does not start: that is worth an alert.
    needs_backend = False
    #: Prometheus is no person.
    for_services = True

    @allowed
    async def get(self) -> None:
        """Everybody's numbers."""
        self.query()
        if self.viewer is not None:
            raise AccessDenied(
                "only administrators and services of the hub may read the metrics.",
                hint="The administrator's guide says how Prometheus gets a token.",
            )
        samples = await measured(self.lab, private=True)
        # A thousand jobs are some thousand lines.
        text = await asyncio.to_thread(render, samples)
        self.finish(text, set_content_type=CONTENT_TYPE_LATEST)


class Scraped:
    """Numbers for a scrape that cannot wait. They are kept fresh while somebody scrapes.

    The first scrape, and one after a long pause, gets none yet. Where they are more than 90 seconds
    apart it is the first two, and where they are more than half an hour apart all of them.

    Args:
        measure: Makes them.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        measure: Callable[[], Awaitable[Iterable[Sample]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._measure = measure
        self._clock = clock
        self._asked = self._taken = float("-inf")
        self._linger = _LINGER
        self._samples: tuple[Sample, ...] = ()
        self._task: asyncio.Task[None] | None = None

    def samples(self) -> tuple[Sample, ...]:
        """The newest ones. To be called on the event loop."""
        now = self._clock()
        if now - self._asked <= _LONGEST:
            self._linger = min(max(_LATER * (now - self._asked), _LINGER), _LONGEST)
        self._asked = now
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="dllab-metrics")
        return self._samples if now - self._taken < _OLD else ()

    async def close(self) -> None:
        """Measure no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        said = False
        while self._clock() - self._asked < self._linger:
            try:
                self._samples = tuple(await self._measure())
                self._taken = self._clock()
            except Exception:
                # Nothing that is measured may be the end of the measuring; said once.
                if not said:
                    _LOG.exception("What is measured here could not be made ready for Prometheus.")
                said = True
            await asyncio.sleep(_EVERY)
        self._task = None
