"""What a Kubernetes API server answers while all is well; the half of `fake_api` without faults."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from fake_store import Forgotten, Key, Store, Watcher, selected

from dllab_hub.backends.kubernetes.kinds import Kind

__all__ = ("Answers", "Asked", "status", "understood")

_VERBS = {"GET": "get", "PATCH": "apply", "DELETE": "delete", "POST": "create"}


@dataclass
class Asked:
    """One request: when (monotonic seconds), what of which object, and how it was answered."""

    at: float
    verb: str
    plural: str
    namespace: str
    name: str
    query: dict[str, str]
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    answer: int | str = ""


class Answers:
    """One server's objects, and its answers to requests.

    Attributes:
        unserved: Plurals of kinds that are not installed.
        denied: Verb and plural of what we may not do.
        lingers: Plurals of which a deleted object stays, marked, until `remove`.
        logs: What the container of each pod has written, by the pod's name.
        bookmarks: Seconds between two bookmarks of a watch.
        token: Which is accepted; None for any.
    """

    def __init__(self) -> None:
        self.store = Store()
        self.unserved: set[str] = set()
        self.denied: set[tuple[str, str]] = set()
        self.lingers: set[str] = set()
        self.logs: dict[str, bytes] = {}
        self.bookmarks = 60.0
        self.token: str | None = None

    @property
    def objects(self) -> Mapping[Key, dict[str, Any]]:
        """As they are now, by plural, namespace and name."""
        return self.store.objects

    def put(self, kind: Kind, obj: dict[str, Any]) -> dict[str, Any]:
        """Make or replace an object; as it is kept, with uid and resourceVersion."""
        return self.store.put(kind, obj)

    def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any] | None:
        """A copy of an object, or None."""
        return copy.deepcopy(self.objects.get((kind.plural, namespace or "", name)))

    def remove(self, kind: Kind, namespace: str | None, name: str) -> None:
        """Remove an object and all that it owns; nothing when it is not there."""
        self.store.remove(kind, namespace, name)

    async def answer(
        self, request: web.Request, asked: Asked, kind: Kind | None, error: int = 0
    ) -> web.StreamResponse:
        if (
            self.token is not None
            and request.headers.get("Authorization") != f"Bearer {self.token}"
        ):
            return status(401, "Unauthorized")
        if kind is None or kind.plural in self.unserved:
            return web.Response(status=404, text="404 page not found\n")
        if ({"log": "get"}.get(asked.verb, asked.verb), kind.plural) in self.denied:
            return status(
                403, f'{kind.plural} is forbidden: User "lab" cannot {asked.verb} resource', kind
            )
        if asked.verb == "discover":
            return self._discovered(kind)
        if asked.verb == "review":
            wanted = asked.body["spec"]["resourceAttributes"]
            parts = (part for part in (wanted["resource"], wanted.get("subresource")) if part)
            allowed = (wanted["verb"], "/".join(parts)) not in self.denied
            return web.json_response({**asked.body, "status": {"allowed": allowed}}, status=201)
        if asked.verb == "list":
            return self._listed(asked, kind)
        if asked.verb == "watch":
            return await self._watched(request, asked, kind, error)
        if asked.verb == "log" and asked.name in self.logs:
            limit = int(asked.query.get("limitBytes") or 1 << 30)
            return web.Response(body=self.logs[asked.name][:limit], content_type="text/plain")
        return self._changed(asked, kind)

    def _discovered(self, kind: Kind) -> web.Response:
        known = ("pods", "pods/log", "events", "nodes", "configmaps", "persistentvolumeclaims")
        names = known if not kind.group else ("jobsets", "workloads", "jobs", "localqueues")
        if names is not known and set(names) <= self.unserved:
            return web.Response(status=404, text="404 page not found\n")
        return web.json_response(
            {
                "kind": "APIResourceList",
                "resources": [{"name": name} for name in names if name not in self.unserved],
            }
        )

    def _listed(self, asked: Asked, kind: Kind) -> web.Response:
        found = [
            obj
            for key, obj in sorted(self.objects.items())
            if key[0] == kind.plural
            and asked.namespace in ("", key[1])
            and selected(
                obj, asked.query.get("labelSelector", ""), asked.query.get("fieldSelector", "")
            )
        ]
        start, version = 0, self.store.version
        if token := asked.query.get("continue"):
            start, version = json.loads(base64.urlsafe_b64decode(token))
        end = start + int(asked.query.get("limit") or len(found) or 1)
        meta = {"resourceVersion": str(version)}
        if end < len(found):
            meta["continue"] = base64.urlsafe_b64encode(
                json.dumps([end, version]).encode()
            ).decode()
        return web.json_response({"kind": "List", "metadata": meta, "items": found[start:end]})

    async def _watched(
        self, request: web.Request, asked: Asked, kind: Kind, error: int
    ) -> web.StreamResponse:
        query = asked.query
        watcher = Watcher(
            kind.plural,
            asked.namespace,
            query.get("labelSelector", ""),
            query.get("fieldSelector", ""),
        )
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        try:
            self.store.watching(watcher, query.get("resourceVersion", ""))
        except Forgotten:
            error = 410
        asked.answer = 200
        try:
            await response.prepare(request)
            if error:
                await _line(response, "ERROR", _body(error, "too old resource version"))
                return response
            end = time.monotonic() + float(query.get("timeoutSeconds") or 3600)
            mark = time.monotonic() + self.bookmarks
            while (left := min(end, mark) - time.monotonic()) > 0 or end > mark:
                try:
                    news = await asyncio.wait_for(watcher.news.get(), max(left, 0.0))
                except TimeoutError:
                    mark = time.monotonic() + self.bookmarks
                    meta = {"resourceVersion": str(self.store.version)}
                    silent = kind.plural in self.store.muted or self.store.version < watcher.since
                    if query.get("allowWatchBookmarks") and not silent:
                        await _line(response, "BOOKMARK", {"metadata": meta})
                    continue
                if news is None:
                    break
                await _line(response, *news)
        except ConnectionError:
            pass  # Whoever listened has left, or was cut off.
        finally:
            if watcher in self.store.watchers:
                self.store.watchers.remove(watcher)
        return response

    def _changed(self, asked: Asked, kind: Kind) -> web.Response:
        key = (kind.plural, asked.namespace, asked.name)
        known = self.objects.get(key)
        if asked.verb == "apply":
            body = asked.body
            if body.get("metadata", {}).get("name") != asked.name:
                return status(400, f"the name of the object ({asked.name}) was undeterminable")
            made = _merged(known, body) if known else body
            if asked.query.get("dryRun"):
                return web.json_response(made)
            if known and made == known:
                return web.json_response(known)
            return web.json_response(self.put(kind, made), status=200 if known else 201)
        if known is None:
            return status(404, f'{kind.plural} "{asked.name}" not found', kind)
        if asked.verb == "get":
            return web.json_response(known)
        wanted = ((asked.body or {}).get("preconditions") or {}).get("uid")
        if wanted not in (None, known["metadata"]["uid"]):
            return status(409, f"Precondition failed: UID in precondition: {wanted}", kind)
        if kind.plural in self.lingers:
            meta = {
                "deletionTimestamp": "2026-01-01T00:00:01Z",
                "finalizers": ["foregroundDeletion"],
            }
            return web.json_response(self.put(kind, _merged(known, {"metadata": meta})))
        self.remove(kind, asked.namespace, asked.name)
        return web.json_response(_body(200, ""))


async def understood(request: web.Request) -> tuple[Asked, Kind | None]:
    parts = [part for part in request.path.split("/") if part]
    group, rest = ("", parts[1:]) if parts[:1] == ["api"] else ("".join(parts[1:2]), parts[2:])
    version, rest = "".join(rest[:1]), rest[1:]
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, part = ([*rest, "", "", ""])[:3]
    query = dict(request.query)
    verb = _VERBS.get(request.method, request.method)
    if verb == "get" and not name:
        verb = "watch" if query.get("watch") == "true" else "list" if plural else "discover"
    elif plural == "selfsubjectaccessreviews":
        verb = "review"
    elif part:
        verb, plural = part, f"{plural}/{part}"
    data = await request.read()
    body = json.loads(data) if data else None
    asked = Asked(
        time.monotonic(), verb, plural, namespace, name, query, body, dict(request.headers)
    )
    return asked, Kind(group, version, plural) if version else None


def _body(status: int, said: str, kind: Kind | None = None) -> dict[str, Any]:
    reasons = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict",
               410: "Expired", 429: "TooManyRequests", 500: "InternalError"}  # fmt: skip
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "code": status, "message": said,
        "status": "Success" if status < 300 else "Failure", "reason": reasons.get(status, ""),
        **({"details": {"kind": kind.plural}} if kind else {}),
    }  # fmt: skip


def status(
    status: int, said: str, kind: Kind | None = None, retry_after: int | None = None
) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return web.json_response(_body(status, said, kind), status=status, headers=headers)


async def _line(response: web.StreamResponse, type_: str, obj: dict[str, Any]) -> None:
    await response.write(json.dumps({"type": type_, "object": obj}).encode() + b"\n")


def _merged(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return copy.deepcopy(new)
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}
