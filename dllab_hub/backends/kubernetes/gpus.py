"""`ClusterGpus`: what the GPUs of a cluster do, asked of the Prometheus that measures them.

A `Sampler` reads it once a second while somebody wants to know. Prometheus is asked in a thread of
its own, every few seconds, once for everybody: while it is slow, or silent, nobody waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from ...errors import DLLabError
from ...manifests.rows import PodRow, holder
from ...metrics.dcgm import BadAnswer, Claim, parts_in, question
from ...metrics.dcgm_gpus import Reading, reading
from ...metrics.silent import stale
from ...specs import GpuReport, GpuState, Holder
from ...specs.capacity import NOBODY
from .gpu_settings import GpuMetrics
from .prometheus import Answer, ask

__all__ = ("ClusterGpus", "Pods")

_LOG = logging.getLogger(__name__)
#: Seconds after which what was measured is not what is now; more where it is asked less often.
_OLD, _TIMES = 60.0, 3.0
#: Seconds for which the last values are shown while no new ones can be had.
_FORGET = 600.0
#: Seconds that a read waits for an answer that is under way: a `Sampler` waits for one.
_WAIT = 0.7
_ADMIN = "The administrator can say where: see 'The GPUs of a cluster' in config/README.md."
_AGAIN = "It is asked again by itself; for the administrator the lab service's log says more."
_NO_SERIES = (
    "The Prometheus of this cluster knows no GPU.",
    "For the administrator: dcgm-exporter has to run on the nodes with GPUs, tell their names as "
    "Hostname (NODE_NAME), and be scraped.",
)
_STRANGER = Holder(kind="job", owner=NOBODY)


class Pods(Protocol):
    """The pods and nodes of a cluster; `Machines` are."""

    def names(self) -> set[str]:
        """Of the nodes."""

    def pod(self, namespace: str, name: str) -> PodRow | None:
        """A pod that has not ended."""


class ClusterGpus:
    """The newest that is known of a cluster's GPUs, and who holds them.

    Args:
        settings: The administrator's, as they are now; None: no Prometheus is named.
        pods: Those of the cluster; None while it has not been found.
        homes: Namespaces in which pods of each kind are ours.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        settings: Callable[[], GpuMetrics | None],
        pods: Callable[[], Pods | None],
        homes: Callable[[], Mapping[str, str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._pods, self._homes, self._clock = settings, pods, homes, clock
        # Guards what the thread leaves; never held while anything is waited for.
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._asked: GpuMetrics | None = None  # Whom `_reading` is of.
        self._began = float("-inf")
        self._reading: Reading | None = None
        self._taken = self._age = 0.0  # When it came, and how old its newest sample was then.
        self._trouble = ""
        self._said = ""
        self._last: tuple[GpuReport, Reading | None] | None = None
        self._held: Mapping[str, Holder] = {}

    def read(self) -> GpuReport:
        """The GPUs now. Waits less than a second for an answer, and never for longer."""
        try:
            settings = self._settings()
        except DLLabError as exc:
            self._log(str(exc))
            return self._told(GpuState.FAILED, f"The GPUs cannot be shown: {exc.message}", exc.hint)
        if settings is None:
            return self._told(
                GpuState.NO_GPU, "What the GPUs of this cluster do is measured nowhere.", _ADMIN
            )
        self._begin(settings)
        self._idle.wait(_WAIT)
        with self._lock:
            return self._now(settings)

    @staticmethod
    def silent(latest: GpuReport | None, seconds: float) -> GpuReport:
        """What a `Sampler` says when not even `read` answers: this process is too busy."""
        return stale(latest, seconds, "The lab service", "Wait: it has much to do.")

    def holders(self, uuids: Sequence[str]) -> Mapping[str, Holder]:
        """Who holds which of the GPUs of the last reading, with all names.

        The exporter's word that a pod has a GPU counts where the cluster agrees: there is such a
        pod on that machine, it asks for GPUs, and for as many. It is a person's where it lies in
        the namespace of labs, jobs or deployments; whose any other pod is nobody can tell.

        The same object as long as nothing changes. From any thread.
        """
        with self._lock:
            claims = self._reading.claims if self._reading is not None else {}
        found = self._holders({uuid: claims.get(uuid, frozenset()) for uuid in uuids})
        with self._lock:
            if found != self._held:
                self._held = found
            return self._held

    # Asking.

    def _begin(self, settings: GpuMetrics) -> None:
        """Ask, if it is time to and nobody is asking."""
        now = self._clock()
        with self._lock:
            if settings != self._asked:  # What another has told is not what this one would.
                self._asked, self._began = settings, float("-inf")
                self._reading, self._trouble = None, ""
            if not self._idle.is_set() or now - self._began < settings.every:
                return
            self._began = now
            self._idle.clear()
        threading.Thread(
            target=self._ask, args=(settings,), name="dllab-prometheus", daemon=True
        ).start()

    def _ask(self, settings: GpuMetrics) -> None:
        trouble, found, age = "", None, 0.0
        limit = _limit(settings)
        try:
            told = ask(settings, question(round(2 * limit), settings.labels))
            found, age = self._understood(told, limit)
        except BadAnswer as exc:
            trouble = str(exc)
            self._log(f"{settings.query_url} {trouble}")
        except Exception:
            # A fault of ours: whoever watches must hear of it, and the log must have all of it.
            trouble = "answers something that cannot be used"
            _LOG.exception("What Prometheus tells of the GPUs could not be read.")
        else:
            self._log("")
        with self._lock:
            if settings == self._asked:
                self._trouble = trouble
                if found is not None:
                    self._reading, self._taken, self._age = found, self._clock(), age
        self._idle.set()

    def _understood(self, told: Answer, limit: float) -> tuple[Reading, float]:
        found = reading(parts_in(told.body, self._nodes()), limit)
        return found, 0.0 if found.time is None else max(told.time - found.time, 0.0)

    def _nodes(self) -> Collection[str] | None:
        try:
            pods = self._pods()
            return (pods.names() or None) if pods is not None else None
        except DLLabError:
            return None

    def _log(self, text: str) -> None:
        if text != self._said and text:
            _LOG.error("The GPUs of the cluster are not known: %s", text)
        self._said = text

    # Telling.

    def _now(self, settings: GpuMetrics) -> GpuReport:
        found, trouble = self._reading, self._trouble
        who = "The Prometheus that measures the GPUs"
        if found is None:
            if trouble:
                return self._told(GpuState.FAILED, f"{who} {trouble}.", _AGAIN)
            return self._told(GpuState.STALE, f"{who} has not answered yet.", "")
        age = self._age + self._clock() - self._taken
        if not found.gpus:
            if trouble:
                return self._told(GpuState.FAILED, f"{who} {trouble}.", _AGAIN)
            return self._told(GpuState.NO_GPU, *_NO_SERIES)
        if age > _FORGET:
            said = trouble or "has no new values of them"
            return self._told(GpuState.FAILED, f"{who} {said}.", _AGAIN)
        if trouble:
            said = f"{who} {trouble}; these are its last values."
            return self._told(GpuState.STALE, said, _AGAIN, found)
        if age > _limit(settings):
            said = f"The newest values of the GPUs are {_rounded(age)} seconds old."
            return self._told(GpuState.STALE, said, _AGAIN, found)
        return self._told(GpuState.OK, "", "", found)

    def _told(
        self, state: GpuState, message: str, hint: str, found: Reading | None = None
    ) -> GpuReport:
        """The same object as long as it says the same, so that nobody makes text of it twice."""
        if self._last is not None and self._last[1] is found:
            report = self._last[0]
            if (report.state, report.message) == (state, message):
                return report
        what = found or Reading(time=time.time())
        report = GpuReport(
            state=state, message=message, hint=hint, time=what.time or time.time(),
            driver=what.driver, gpus=what.gpus,
        )  # fmt: skip
        self._last = report, found
        return report

    # Whose they are.

    def _holders(self, claims: Mapping[str, Collection[Claim]]) -> dict[str, Holder]:
        try:
            pods, homes = self._pods(), self._homes()
            if pods is None:
                raise DLLabError("the cluster has not been found.")
            rows = {
                claim: pods.pod(claim.namespace, claim.pod)
                for each in claims.values()
                for claim in each
            }
        except DLLabError:  # That it is held is known, and no more.
            return {uuid: _STRANGER for uuid, each in claims.items() if each}
        times = Counter(claim for each in claims.values() for claim in each)
        found: dict[str, Holder] = {}
        for uuid, each in claims.items():
            whose = {
                one
                for claim in each
                if (one := _holder(claim, rows[claim], times[claim], homes)) is not None
            }
            if whose:
                found[uuid] = whose.pop() if len(whose) == 1 else _STRANGER  # Several share it.
        return found


def _holder(
    claim: Claim, row: PodRow | None, times: int, homes: Mapping[str, str]
) -> Holder | None:
    """Whose pod it is; None: it has no GPU, whatever is said."""
    if row is None or not row["holds"] or row["node"] != claim.node:
        return None
    # The names of extended resources have a domain; of pods with them these are the only ones.
    asked = sum(number for name, number in row["demand"].items() if "/" in name)
    if not asked:
        return None  # The exporter's own, for one: its name is there when no pod has the GPU.
    if times > asked:
        return _STRANGER
    if row["kind"] and homes.get(row["kind"]) == claim.namespace:
        return holder(row)
    return _STRANGER.model_copy(update={"name": f"{claim.namespace}/{claim.pod}"})


def _limit(settings: GpuMetrics) -> float:
    """Seconds after which a value is old."""
    return max(_OLD, _TIMES * settings.every)


def _rounded(seconds: float) -> int:
    """Not another number each second."""
    return round(seconds / 10) * 10
