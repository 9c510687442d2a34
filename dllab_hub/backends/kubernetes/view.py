"""`View`: what is known of a cluster, from live copies of its objects; `Seen`: that of one job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import Unavailable
from ...manifests.cluster import Cluster
from ...manifests.gang import set_name
from ...manifests.training import ID_LABEL, OWNER_ANNOTATION
from ...specs import TrainingJob
from .api import Api
from .kinds import EVENTS, JOBSETS, PODS, WORKLOADS
from .machines import Machines
from .mirror import Mirror
from .waitlist import Place, Waitlist

__all__ = ("Seen", "View")

_LOG = logging.getLogger(__name__)
#: Seconds for the first lists, before the service says that it goes on without them.
_FIRST = 10.0
#: Events of kind ``Normal`` after which a complaint from before does not hold any more.
_GOOD_NEWS = {
    *("Scheduled", "SuccessfulCreate", "JobCreationSucceeded", "TriggeredScaleUp"),
    *("NotTriggerScaleUp", "Pulled", "SuccessfulAttachVolume"),
}
#: Of the ``spec`` of a JobSet, and of a pod.
_LOOKED_AT = ("suspend", "nodeName")
_NO_JOBSET = (
    "training is off: this cluster has no JobSet.",
    "The administrator installs it: see 'JobSet' in config/README.md.",
)


@dataclass(frozen=True)
class Seen:
    """The objects of one job.

    Attributes:
        live: Whether what is not here is not there either.
        trouble: Why it is not known, as a sentence; empty while nobody has looked.
        jobset: As the API server has it, or None.
        pods: Those of the job.
        events: About its objects, oldest first.
        place: In Kueue's queue, or None.
    """

    live: bool = False
    trouble: str = ""
    jobset: Mapping[str, Any] | None = None
    pods: tuple[Mapping[str, Any], ...] = ()
    events: tuple[Mapping[str, Any], ...] = ()
    place: Place | None = None


class View:
    """Copies of the objects in the namespace of jobs, and of the cluster's nodes and pods.

    Args:
        api: Of the cluster.
        cluster: The administrator's settings.
        changed: Called on the event loop when an object of a job has changed.

    Attributes:
        cluster: The settings, without what the cluster does not have.
        trains: Whether the cluster has JobSet; `start` finds out.
        machines: Nodes, and pods of all namespaces.
    """

    def __init__(self, api: Api, cluster: Cluster, changed: Callable[[], None]) -> None:
        self._api, self._namespace = api, (namespace := cluster.namespace)
        self._changed = changed
        self.cluster = cluster
        self._sets, self._pods = (
            Mirror(api, kind, namespace, labels=ID_LABEL, keep=_lean, changed=self._anew)
            for kind in (JOBSETS, PODS)
        )
        self._events = Mirror(api, EVENTS, namespace, keep=_event, changed=self._anew)
        self._line = Waitlist(api, namespace, self._anew) if cluster.queue else None
        #: What was last told, while it holds: with many jobs most looks find nothing new.
        self._told: dict[str, Seen] = {}
        self._told_of = False, ""
        self.machines = Machines(api)
        self.trains = False

    async def start(self) -> None:
        """Find out what there is, and begin to follow it.

        Raises:
            DLLabError: the cluster cannot be asked.
        """
        self.trains = await self._api.serves(JOBSETS)
        if not self.trains:
            _LOG.warning("%s %s", *_NO_JOBSET)
            await self.machines.start(_FIRST)  # Models may be served, and GPUs looked at.
            return
        if self._line is not None and not await self._api.serves(WORKLOADS):
            _LOG.warning("The settings name a queue, and this cluster has no Kueue: no queue.")
            self._line = None
            self.cluster = self.cluster.model_copy(update={"queue": ""})
        for mirror in (self._sets, self._pods, self._events, self._line):
            if mirror is not None:
                mirror.start()
        await asyncio.gather(
            self._sets.synced(_FIRST), self._pods.synced(_FIRST), self.machines.start(_FIRST)
        )

    async def close(self) -> None:
        """Follow nothing any more."""
        for mirror in (self._sets, self._pods, self._events):
            await mirror.close()
        if self._line is not None:
            await self._line.close()
        await self.machines.close()

    def check(self) -> None:
        """Nothing when jobs can run here.

        Raises:
            Unavailable: they cannot; the message says what the administrator has to install.
        """
        if not self.trains:
            raise Unavailable(_NO_JOBSET[0], hint=_NO_JOBSET[1])

    @property
    def trouble(self) -> str:
        """Why what is known may be old, as a sentence; empty when it is not."""
        return next((m.trouble for m in (self._sets, self._pods) if not m.live), "")

    @property
    def current(self) -> float:
        """When all that decides on jobs was last up to date, seconds since the epoch."""
        return min(self._sets.current, self._pods.current)

    def seen(self, jobs: Iterable[TrainingJob]) -> dict[str, Seen]:
        """What there is of each job, by its id. On the event loop.

        Objects count for a job only if they carry its id and its owner's name, whoever made them.
        """
        names = {set_name(job.id): job for job in jobs}
        about = self._sets.live and self._pods.live, self.trouble
        if about != self._told_of:
            self._told, self._told_of = {}, about
        if any(job.id not in self._told for job in names.values()):
            self._told = self._look(names)
        return {job.id: self._told[job.id] for job in names.values()}

    def going(self) -> dict[str, tuple[str, str]]:
        """Owner and uid of each JobSet that has not come to an end, by the job's id."""
        found = {}
        for made in self._sets.objects.values():
            about = made["metadata"]
            id = (about.get("labels") or {}).get(ID_LABEL, "")
            owner = (about.get("annotations") or {}).get(OWNER_ANNOTATION, "")
            known = (made.get("status") or {}).get("conditions") or ()
            over = any(
                one.get("type") in ("Completed", "Failed") and one.get("status") == "True"
                for one in known
            )
            if not over and not about.get("deletionTimestamp"):
                found[id] = (owner, str(about.get("uid")))
        return found

    def _anew(self) -> None:
        self._told = {}
        self._changed()

    def _look(self, names: Mapping[str, TrainingJob]) -> dict[str, Seen]:
        live, trouble = self._told_of
        pods, events = self._pods_by_id(), self._events_by_set(names)
        places = self._line.places() if self._line is not None else {}
        found = {}
        for name, job in names.items():
            made = self._sets.objects.get(f"{self._namespace}/{name}")
            made = made if made is not None and _is_of(made, job) else None
            found[job.id] = Seen(
                live=live,
                trouble=trouble,
                jobset=made,
                pods=tuple(pod for pod in pods.get(job.id, ()) if _is_of(pod, job)),
                events=tuple(events.get(name, ())),
                place=places.get(made["metadata"]["uid"]) if made is not None else None,
            )
        return found

    def _pods_by_id(self) -> dict[str, list[Mapping[str, Any]]]:
        found: dict[str, list[Mapping[str, Any]]] = {}
        for pod in self._pods.objects.values():
            id = (pod["metadata"].get("labels") or {}).get(ID_LABEL, "")
            found.setdefault(id, []).append(pod)
        return found

    def _events_by_set(self, names: Collection[str]) -> dict[str, list[Mapping[str, Any]]]:
        found: dict[str, list[Mapping[str, Any]]] = {}
        for event in self._events.objects.values():
            # Jobs and pods of a JobSet have its name, and more words behind it.
            name = str(event["involvedObject"].get("name") or "")
            while name and name not in names:
                name = name.rpartition("-")[0]
            if name:
                found.setdefault(name, []).append(event)
        for events in found.values():
            events.sort(key=lambda event: str(event.get("lastTimestamp") or ""))
        return found


def _is_of(thing: Mapping[str, Any], job: TrainingJob) -> bool:
    about = thing["metadata"]
    return (about.get("labels") or {}).get(ID_LABEL) == job.id and (
        about.get("annotations") or {}
    ).get(OWNER_ANNOTATION) == job.owner


def _lean(thing: dict[str, Any]) -> dict[str, Any]:
    """A JobSet or pod without who has set which field, and without what we have wished for: with
    five thousand jobs that is a hundred megabytes.
    """
    thing["metadata"].pop("managedFields", None)
    spec = thing.get("spec") or {}
    thing["spec"] = {key: spec[key] for key in _LOOKED_AT if key in spec}
    return thing


def _event(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of an event is kept: there may be thousands. What went well is in the objects."""
    if event.get("type") == "Normal" and event.get("reason") not in _GOOD_NEWS:
        return None
    about = event.get("involvedObject") or {}
    return {
        "metadata": {
            key: event["metadata"].get(key) for key in ("name", "namespace", "resourceVersion")
        },
        "reason": event.get("reason"),
        "message": event.get("message"),
        "lastTimestamp": event.get("lastTimestamp") or event.get("eventTime"),
        "involvedObject": {key: about.get(key) for key in ("kind", "name", "uid", "fieldPath")},
    }
