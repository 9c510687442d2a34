"""`Copies`: the Deployments, pods and events of the namespace of models; `There`: those of one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ....manifests.served import ID_LABEL
from ....manifests.training import OWNER_ANNOTATION, OWNER_LABEL
from ....names import slug
from ..api import Api
from ..kinds import DEPLOYMENTS, EVENTS, PODS
from ..mirror import Mirror

__all__ = ("Copies", "There")

_Object = Mapping[str, Any]
_Key = tuple[str, str]
#: Seconds in which several changes are looked at as one.
_TOGETHER = 0.05


@dataclass(frozen=True)
class There:
    """The objects of one deployment.

    Attributes:
        live: Whether what is not here is not there either.
        trouble: Why it is not known, as a sentence.
        deployments: As the API server has them.
        pods: Of its replicas.
        events: About them; those about its Deployments too.
    """

    live: bool = False
    trouble: str = "the cluster is being looked for."
    deployments: tuple[_Object, ...] = ()
    pods: tuple[_Object, ...] = ()
    events: tuple[_Object, ...] = ()

    @property
    def version(self) -> tuple[str, ...]:
        """Is another one when something has changed."""
        every = (*self.deployments, *self.pods, *self.events)
        return tuple(str(one["metadata"].get("resourceVersion")) for one in every)


class Copies:
    """Live copies. Used on the event loop.

    Args:
        api: Of the cluster.
        namespace: Of deployments.
        changed: Is called with owner and name of a deployment whose objects have changed.
    """

    def __init__(self, api: Api, namespace: str, changed: Callable[[str, str], None]) -> None:
        self._changed = changed
        self._deployments, self._pods = (
            Mirror(api, kind, namespace, labels=ID_LABEL, keep=_lean, changed=self._news)
            for kind in (DEPLOYMENTS, PODS)
        )
        self._events = Mirror(api, EVENTS, namespace, keep=_event, changed=self._news)
        self._found: dict[_Key, There] = {}
        self._told: dict[_Key, There] = {}  # Of which `changed` knows.
        self._stale = True
        self._telling: asyncio.TimerHandle | None = None

    async def start(self, seconds: float) -> None:
        """Begin to follow, and wait so long at most for what there is."""
        mirrors = (self._deployments, self._pods, self._events)
        for mirror in mirrors:
            mirror.start()
        await asyncio.gather(*(mirror.synced(seconds) for mirror in mirrors))
        self._look()

    async def close(self) -> None:
        """Follow nothing any more."""
        if self._telling is not None:
            self._telling.cancel()
        for mirror in (self._deployments, self._pods, self._events):
            await mirror.close()

    @property
    def trouble(self) -> str:
        """Why what is known may be old, as a sentence; empty when it is not."""
        return next((m.trouble for m in (self._deployments, self._pods) if not m.live), "")

    def of(self, owner: str, name: str) -> There:
        """The objects of a deployment: those that carry its name and the whole of its owner's.

        What has changed in this moment may not be among them yet: `changed` is called for it.
        """
        there = self._found.get((owner, name), There())
        trouble = self.trouble
        return There(not trouble, trouble, there.deployments, there.pods, there.events)

    def _news(self) -> None:
        self._stale = True
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(_TOGETHER, self._tell)

    def _tell(self) -> None:
        self._telling = None
        self._look()
        before, self._told = self._told, self._found
        for key in before.keys() | self._found.keys():
            old, new = before.get(key), self._found.get(key)
            if old is None or new is None or old.version != new.version:
                self._changed(*key)

    def _look(self) -> None:
        if not self._stale:
            return
        self._stale = False
        deployments, pods = _by_key(self._deployments), _by_key(self._pods)
        whose = {
            str(one["metadata"]["name"]): key
            for group in (deployments, pods)
            for key, several in group.items()
            for one in several
        }
        events: dict[_Key, list[_Object]] = defaultdict(list)
        for event in self._events.objects.values():
            name = str(event["involvedObject"].get("name") or "")
            # A ReplicaSet has its Deployment's name, and a word behind it.
            key = whose.get(name) or whose.get(name.rpartition("-")[0])
            if key is not None:
                events[key].append(event)
        self._found = {
            key: There(
                deployments=tuple(deployments.get(key, ())),
                pods=tuple(pods.get(key, ())),
                events=tuple(events.get(key, ())),
            )
            for key in deployments.keys() | pods.keys()
        }


def _by_key(mirror: Mirror) -> dict[_Key, list[_Object]]:
    found: dict[_Key, list[_Object]] = defaultdict(list)
    for one in mirror.objects.values():
        about = one["metadata"]
        labels = about.get("labels") or {}
        owner = str((about.get("annotations") or {}).get(OWNER_ANNOTATION) or "")
        if labels.get(OWNER_LABEL) == slug(owner):  # Else somebody else has made it.
            found[owner, str(labels.get(ID_LABEL) or "")].append(one)
    return found


def _lean(thing: dict[str, Any]) -> dict[str, Any]:
    """What is looked at: neither who has set which field, nor most of what was wished for."""
    thing["metadata"].pop("managedFields", None)
    spec = thing.get("spec") or {}
    thing["spec"] = {key: spec[key] for key in ("replicas", "nodeName") if key in spec}
    return thing


def _event(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of an event is kept: there may be thousands."""
    about = event.get("involvedObject") or {}
    return {
        "metadata": {
            key: event["metadata"].get(key)
            for key in ("name", "namespace", "resourceVersion", "creationTimestamp")
        },
        **{
            key: event.get(key)
            for key in ("type", "reason", "message", "lastTimestamp", "eventTime", "series")
        },
        "involvedObject": {key: about.get(key) for key in ("kind", "name", "uid", "fieldPath")},
    }
