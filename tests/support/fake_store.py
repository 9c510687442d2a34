"""The objects of `fake_api`, with resourceVersions, selectors and a history for watches."""

from __future__ import annotations

import asyncio
import copy
import itertools
import re
from typing import Any

from dllab_hub.backends.kubernetes.kinds import Kind

__all__ = ("Forgotten", "Key", "Store", "Watcher", "selected")

#: Plural, namespace ("" for none), name.
Key = tuple[str, str, str]
_Object = dict[str, Any]
_KINDS = {"jobsets": "JobSet", "configmaps": "ConfigMap", "persistentvolumeclaims":
          "PersistentVolumeClaim", "pods": "Pod", "events": "Event", "nodes": "Node",
          "workloads": "Workload"}  # fmt: skip


class Forgotten(Exception):
    """The history does not reach back so far."""


class Watcher:
    """One watch: what it wants, and what it has not been told yet."""

    def __init__(self, plural: str, namespace: str, labels: str, fields: str) -> None:
        self.plural, self.namespace, self.labels, self.fields = plural, namespace, labels, fields
        self.news: asyncio.Queue[tuple[str, _Object] | None] = asyncio.Queue()
        #: It wants nothing up to here; a server that is not there yet is silent.
        self.since = 0

    def wants(self, key: Key, obj: _Object | None) -> bool:
        return (
            obj is not None
            and key[0] == self.plural
            and self.namespace in ("", key[1])
            and selected(obj, self.labels, self.fields)
        )

    def event(self, key: Key, before: _Object | None, after: _Object | None, at: int) -> None:
        """Tell it of a change, if it is one in its eyes."""
        if at <= self.since:
            return
        was, is_ = self.wants(key, before), self.wants(key, after)
        if is_:
            self.news.put_nowait(("MODIFIED" if was else "ADDED", after))
        elif was:
            gone = copy.deepcopy(after or before)
            gone["metadata"]["resourceVersion"] = str(at)
            self.news.put_nowait(("DELETED", gone))


class Store:
    """Objects by `Key`, and everything that has happened to them.

    Attributes:
        objects: As they are now.
        version: The newest resourceVersion.
        muted: Plurals of which open watches are told nothing; the history has it.
    """

    def __init__(self) -> None:
        self.objects: dict[Key, _Object] = {}
        self.version = 1000
        self.muted: set[str] = set()
        self.watchers: list[Watcher] = []
        self._history: list[tuple[int, Key, _Object | None, _Object | None]] = []
        self._oldest = 0
        self._uids = itertools.count(1)

    def put(self, kind: Kind, obj: _Object) -> _Object:
        """Make or replace an object; as it is kept, with uid and resourceVersion."""
        meta = obj["metadata"]
        key = (kind.plural, meta.get("namespace") or "", meta["name"])
        before = self.objects.get(key)
        after = copy.deepcopy(obj)
        after.setdefault("apiVersion", f"{kind.group}/{kind.version}".lstrip("/"))
        after.setdefault("kind", _KINDS.get(kind.plural, kind.plural))
        old = before["metadata"] if before else {}
        after["metadata"].update(
            uid=meta.get("uid") or old.get("uid") or f"uid-{next(self._uids)}",
            creationTimestamp=meta.get("creationTimestamp")
            or old.get("creationTimestamp")
            or "2026-01-01T00:00:00Z",
            resourceVersion=str(self.version + 1),
        )
        self._change(key, before, after)
        return copy.deepcopy(after)

    def remove(self, kind: Kind, namespace: str | None, name: str) -> _Object | None:
        """Remove an object and all that it owns; what it was, or None."""
        return self._remove((kind.plural, namespace or "", name))

    def _remove(self, key: Key) -> _Object | None:
        before = self.objects.get(key)
        if before is None:
            return None
        for each, obj in list(self.objects.items()):
            owners = obj["metadata"].get("ownerReferences") or ()
            if any(owner.get("uid") == before["metadata"]["uid"] for owner in owners):
                self._remove(each)
        self._change(key, before, None)
        return before

    def _change(self, key: Key, before: _Object | None, after: _Object | None) -> None:
        self.version += 1
        if after is None:
            del self.objects[key]
        else:
            self.objects[key] = after
        self._history.append((self.version, key, before, after))
        if key[0] not in self.muted:
            for watcher in self.watchers:
                watcher.event(key, before, after, self.version)

    def forget(self) -> None:
        """Every resourceVersion until now is too old from here on."""
        self.version += 1
        self._oldest = self.version
        self._history.clear()

    def restore(self, objects: dict[Key, _Object], version: int) -> None:
        """Be as a backup was: an older version, and no history."""
        self.objects, self.version, self._oldest = copy.deepcopy(objects), version, 0
        self._history.clear()

    def watching(self, watcher: Watcher, since: str) -> None:
        """Tell it of all that was since, and from now on.

        Raises:
            Forgotten: that is too long ago.
        """
        if since in ("", "0"):
            for key, obj in self.objects.items():
                watcher.event(key, None, obj, self.version)
        elif int(since) < self._oldest:
            raise Forgotten
        else:
            watcher.since = int(since)
            for at, key, before, after in self._history:
                watcher.event(key, before, after, at)
        self.watchers.append(watcher)


def selected(obj: _Object, labels: str = "", fields: str = "") -> bool:
    """Whether selectors choose it: ``a=b``, ``a!=b``, ``a``, ``!a``, ``a in (b, c)``."""
    own = obj["metadata"].get("labels") or {}
    return all(_label(own, each) for each in _parts(labels)) and all(
        _field(obj, each) for each in _parts(fields)
    )


def _parts(selector: str) -> list[str]:
    return [part.strip() for part in re.split(r",(?![^(]*\))", selector) if part.strip()]


def _label(own: dict[str, str], term: str) -> bool:
    if found := re.fullmatch(r"(\S+)\s+(in|notin)\s+\((.*)\)", term):
        values = {value.strip() for value in found[3].split(",")}
        return (own.get(found[1]) in values) == (found[2] == "in")
    if "!=" in term:
        name, _, value = term.partition("!=")
        return own.get(name.strip()) != value.strip()
    if "=" in term:
        name, value = re.split("==?", term, maxsplit=1)
        return own.get(name.strip()) == value.strip()
    return (term[1:] not in own) if term.startswith("!") else (term in own)


def _field(obj: _Object, term: str) -> bool:
    name, value = re.split("!?==?", term, maxsplit=1)
    found: Any = obj
    for step in name.strip().split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return (str(found or "") == value.strip()) != ("!=" in term)
