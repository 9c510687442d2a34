"""`Alerting`: watches everything that is measured, and tells people what is wrong.

One task in the lab service, and in a plain ``jupyter lab``. It evaluates the same rules as
Prometheus would, whether there is a Prometheus or not, whenever the GPUs are read, every 15 seconds
at least. On a machine without a GPU it looks at jobs and deployments only, and reads no GPUs.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from itertools import chain

from ..backends.base import Backend
from ..errors import DLLabError
from ..metrics.alert_settings import AlertSettings, alert_settings
from ..metrics.alerts import Engine, Standing
from ..metrics.rules import Kind, Rule
from ..metrics.samples import Sample
from ..metrics.signals import Signals
from ..specs import GpuReport, GpuState, Holder
from ..state import StateDir
from .acting import Acting, Leases
from .alert_book import AlertBook
from .alert_file import Known, concerned
from .concerning import IDLE, World
from .due import Due, due, remembered
from .pacing import Paced, reports
from .sight import Sight
from .silences import Silences
from .telling import Telling

__all__ = ("Alerting",)

_LOG = logging.getLogger(__name__)
#: Seconds between two looks that are enough, those that are too few, and until a new try after a
#: fault of ours.
_EVERY, _LEAST, _RETRY = 15.0, 4.5, 5.0
#: Seconds after which it is written down again that there are still things that are pending.
_STILL = 60.0
_KnownBy = Callable[[GpuReport], Awaitable[tuple[GpuReport, Mapping[str, Holder]]]]


class Alerting(AlertBook):
    """All alerts of this host.

    Args:
        state: Where they are kept, and where the administrator's settings are.
        backend: Has the jobs and the deployments, and tells people.
        gpus: Reads the GPUs.
        leases: Of the GPUs of this machine, where they can be taken out of use.
        sole: Who hears of what concerns nobody else, beside the administrator: whose machine it is.
        every: Seconds between two looks while nobody looks at the GPUs.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        state: StateDir,
        backend: Backend,
        gpus: Paced,
        *,
        leases: Leases | None = None,
        sole: str | None = None,
        every: float = _EVERY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(state, clock)
        self._backend = backend
        self._gpus = gpus
        self._sole = sole
        self._every = every
        self._engine = Engine()
        self._settings = AlertSettings()
        self._task: asyncio.Task[None] | None = None
        self._acting = Acting(backend, leases, clock)
        self._acts: set[asyncio.Task[None]] = set()
        self._sight = Sight(gpus)
        self._telling = Telling(backend.notices, self._say)
        self._looked = -math.inf  # When, of the monotonic clock: that of the day may be set.
        #: What the load of each deployment is.
        self.signals = Signals()
        #: Says whose the processes on the GPUs are, and who holds which.
        self.known: _KnownBy = _nobody

    async def start(self) -> None:
        """Begin to watch. The backend has started."""
        await self._load()
        await self._configure()
        standing = [each.standing for each in self._kept.known.values()]
        self._engine = Engine(self._settings.rules, standing, self._kept.looked)
        if self._kept.gpus:
            self._sight.remember()
        self._task = asyncio.create_task(self._run(), name="dllab-alerts")

    async def close(self) -> None:
        """Watch no more. What is known is kept."""
        if self._task is None:
            return
        tasks, self._task = (self._task, *self._acts), None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def withdrawn(self) -> Mapping[str, str]:
        """Why each GPU that nobody gets is out of use, by its UUID."""
        return self._acting.withdrawn

    # Inside.

    async def _run(self) -> None:
        while True:
            try:
                paced = reports(self._gpus, self._every, self._clock, lambda: self._sight.had)
                async with aclosing(paced) as told:
                    async for report in told:
                        if time.monotonic() - self._looked >= min(_LEAST, self._every):
                            await self._look(report)
            except Exception:
                # Whatever it is, people are to be told of what comes.
                _LOG.exception("A look at what is measured failed; the next one follows.")
            await asyncio.sleep(_RETRY)

    async def _look(self, report: GpuReport) -> None:
        now, self._looked = self._clock(), time.monotonic()
        await self._configure()
        report, holders = await self.known(report)
        jobs = await self._backend.live()
        world = World(now, report, holders, jobs, await self._backend.serving.live())
        gpus = () if report.state is GpuState.STALE else report.gpus
        self.signals.observe(world.deployments, gpus, now)
        self._sight.see(report)
        held = self._sight.held(report)
        async with self._looking:
            if not held:
                await self._hand_over(world, now)
            samples = chain(world.samples(), tuple(self._service(report)))
            # Of thousands of jobs it takes a while.
            standing = await asyncio.to_thread(self._engine.observe, samples, now, held)
            await self._tell(world, standing, held, now)
            await self._act(world, now)

    def _service(self, report: GpuReport) -> Iterator[Sample]:
        if (age := self._sight.age(report)) is not None:
            yield Sample("dllab_sampler_age_seconds", age)
        if (heard := self._backend.current) is not None:
            yield Sample("dllab_watch_last_event_timestamp_seconds", heard)

    async def _hand_over(self, world: World, now: float) -> None:
        """What blames who holds a GPU is over when somebody else does, and begins anew."""
        for id, each in self._kept.known.items():
            user = world.whose(each.alert.subject)
            same = not user or not each.user or user == each.user
            if each.alert.rule != IDLE or each.alert.state == "resolved" or same:
                continue
            over = each.alert.model_copy(update={"state": "resolved", "resolved": now})
            if await self._telling.news(over, each.told, self._kept.silences):
                continue  # First they have to know that it is over.
            self._engine.restart(id, now)
            alert = each.alert.model_copy(update={"act": None})
            fresh = replace(each, alert=alert, told=(), user=user)
            self._kept = replace(self._kept, known={**self._kept.known, id: fresh})

    async def _tell(
        self, world: World, standing: tuple[Standing, ...], held: Collection[Kind], now: float
    ) -> None:
        rules = {rule.name: rule for rule in self._settings.rules}
        silences = self._kept.silences.left(now, {})
        known: dict[str, Known] = {}
        for each in standing:
            if (rule := rules.get(each.rule)) is not None:
                known[each.id] = await self._known(world, rule, each, silences, held)
        silences = silences.left(now, {id: each.alert.owner for id, each in known.items()})
        before, self._kept = (
            self._kept,
            replace(
                self._kept,
                known=known,
                silences=silences,
                looked=self._engine.looked,
                gpus=self._sight.had,
            ),
        )
        spoken = before.silences.until.keys() - silences.until.keys()
        owners = concerned(before.known, known)
        owners |= {known[id].alert.owner for id, _ in spoken if id in known}
        pending = any(each.state == "pending" for each in standing)
        late = pending and time.monotonic() - self._saved > _STILL
        if owners or spoken or late or before.gpus is not self._kept.gpus:
            self._dirty = True
        if self._dirty:
            await self._save()
        if owners:
            self.changed(owners)

    async def _known(
        self,
        world: World,
        rule: Rule,
        standing: Standing,
        silences: Silences,
        held: Collection[Kind],
    ) -> Known:
        """One alert as of now; people are told when it fires, and when that is over."""
        before = self._kept.known.get(standing.id)
        if before is not None and rule.kind in held:  # Nor is it known whose it is.
            told = await self._telling.news(before.alert, before.told, silences)
            return replace(before, standing=standing, told=told)
        alert = world.alert(rule, standing, before.alert if before else None)
        owner = alert.owner or self._sole or ""
        alert = alert.model_copy(update={"owner": owner})
        acted = before.acted if before else ""
        if owner not in ("", acted):
            alert = alert.model_copy(update={"act": None})  # It may name what another has.
        user = before.user if before and before.alert.state != "resolved" else ""
        told = await self._telling.news(alert, before.told if before else (), silences)
        return Known(standing, alert, told, user or world.whose(alert.subject), acted)

    async def _act(self, world: World, now: float) -> None:
        """Begin what is to be done by itself."""
        alerts = [each.alert for each in self._kept.known.values() if each.alert.state == "firing"]
        wanted = self._settings.actions
        for each in due(wanted, alerts, self._kept.acts, world):
            # Written down first: a service that is killed meanwhile does not do it twice.
            stand = [known.alert for known in self._kept.known.values()]
            before = self._kept.acts
            acts = remembered(before, stand, now)
            self._kept = replace(self._kept, acts=(*acts, each.did))
            await self._save()
            if self._dirty:  # It is begun when that can be written down.
                self._kept = replace(self._kept, acts=before)
                break
            self._begin(each, world)
        bad = {a.subject for a in alerts if "withdraw" in wanted.get(a.rule, ())}
        await self._acting.look(world, bad, now)

    def _begin(self, due: Due, world: World) -> None:
        alert = due.alert

        async def do() -> None:
            act = await self._acting.act(due, world)
            async with self._looking:
                now = self._kept.known.get(alert.id)
                if now is not None and now.alert.owner in (alert.owner, ""):
                    told = now.alert.model_copy(update={"act": act})
                    known = {
                        **self._kept.known,
                        alert.id: replace(now, alert=told, acted=alert.owner),
                    }
                    self._kept = replace(self._kept, known=known)
                    await self._save()
                    self.changed({told.owner})

        task = asyncio.create_task(do(), name=f"dllab-{due.did.action}")
        self._acts.add(task)
        task.add_done_callback(self._acted)

    def _acted(self, task: asyncio.Task[None]) -> None:
        self._acts.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("What was to be done about an alert failed.", exc_info=error)

    async def _configure(self) -> None:
        """What the administrator says now; while that is wrong, what was said before holds."""
        try:
            self._settings = await asyncio.to_thread(alert_settings, self._state)
        except DLLabError as exc:
            self._say(str(exc))
        self._engine.rules = self._settings.rules


async def _nobody(report: GpuReport) -> tuple[GpuReport, Mapping[str, Holder]]:
    return report, {}
