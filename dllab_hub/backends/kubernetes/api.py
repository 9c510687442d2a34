"""Requests to a Kubernetes API server: plain dicts as it sends them, and errors that people read.

No models in between: what other controllers write into an object must not get lost on its way
through us.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import aiohttp

from .connection import JSON, USER, Connection, keep_alive
from .kinds import PODS, REVIEWS, Kind
from .trouble import Absent, Answered, Conflicting, Gone, Pace, refusal, told

__all__ = ("Api",)

_Page = tuple[list[dict[str, Any]], str]


class Api:
    """One API server.

    Every verb raises `Refused`, `Unreachable`, `Gone` or `Conflicting`; `Absent` where it does not
    say that it answers None or False instead.

    Attributes:
        timeout: Seconds for one request, or until a watch is open.
        page: Objects in one answer to a list.
        pace: Of all that watch over this connection.
    """

    def __init__(self, connection: Connection) -> None:
        self.timeout, self.page, self.pace = 10.0, 500, Pace()
        self._connection = connection

    @classmethod
    async def connect(cls, kubeconfig: str | None = None, context: str | None = None) -> Api:
        """Read how to reach the API server; sends nothing yet.

        Args:
            kubeconfig: A file; None in a pod for its service account, elsewhere for the default.
            context: Of that file; None for its current one.

        Raises:
            Unavailable: what is needed for it is missing or makes no sense.
        """
        return cls(await Connection.configured(kubeconfig, context))

    async def close(self) -> None:
        """End every connection."""
        await self._connection.close()

    async def list(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = ""
    ) -> tuple[list[dict[str, Any]], str]:
        """All objects at one moment, and the resourceVersion from which a watch goes on.

        Args:
            kind: Of object.
            namespace: None for all of them.
            labels: A label selector.
            fields: A field selector.
        """
        for last in (False, True):
            found: list[dict[str, Any]] = []
            version = ""
            try:
                pages = self.pages(kind, namespace, labels=labels, fields=fields)
                async with aclosing(pages):
                    async for items, newest in pages:
                        found += items
                        version = newest
                break
            except Gone:  # Between two pages: once more from the first.
                if last:
                    raise
        return found, version

    async def pages(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = ""
    ) -> AsyncGenerator[_Page]:
        """What `list` finds, a page at a time."""
        query = {"limit": str(self.page), "labelSelector": labels, "fieldSelector": fields}
        while True:
            answer = await self._ask("GET", kind.path(namespace), f"list {kind.plural}", query)
            with told(self.pace):
                version = str(answer["metadata"]["resourceVersion"])
            yield answer.get("items") or [], version
            query["continue"] = answer["metadata"].get("continue") or ""
            if not query["continue"]:
                return

    async def watch(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "",
        since: str, seconds: float, opened: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[tuple[str, dict[str, Any]]]:  # fmt: skip
        """What happens to objects after a resourceVersion, in order; also ``BOOKMARK``.

        Args:
            kind: Of object.
            namespace: None for all of them.
            labels: A label selector.
            fields: A field selector.
            since: A resourceVersion.
            seconds: After which the server is to end it.
            opened: Called when the server has begun to answer.
        """
        query = {
            "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": since,
            "timeoutSeconds": str(max(1, int(seconds))),
            "labelSelector": labels, "fieldSelector": fields,
        }  # fmt: skip
        asked = f"watch {kind.plural}"
        limit = aiohttp.ClientTimeout(total=None, sock_read=seconds + 15)
        with told(self.pace):
            async with asyncio.timeout(self.timeout):
                response = await self._connection.send(
                    "GET", kind.path(namespace), query, limit=limit
                )
                if response.status != 200:
                    raise _refusal(response, await response.read(), asked)
        try:
            keep_alive(response)
            self.pace.heard(True)
            opened()
            with told(self.pace):
                # A line may be longer than aiohttp's own reader of lines allows.
                rest = b""
                async for piece in response.content.iter_any():
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        event = json.loads(line)
                        type_, object_ = event["type"], event["object"]
                        if type_ == "ERROR":
                            raise refusal(int(object_.get("code") or 500), object_, asked)
                        yield type_, object_
                if rest.strip():
                    raise ValueError("half a line")
        finally:
            response.close()

    async def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any] | None:
        """One object; None when it is not there."""
        try:
            return await self._ask("GET", kind.path(namespace, name), f"get {kind.plural}")
        except Absent:
            return None

    async def log(
        self, namespace: str, pod: str, container: str, limit: int, *, previous: bool = False
    ) -> bytes | None:
        """The first bytes of what a container has written; None when it is not there.

        Args:
            namespace: Of the pod.
            pod: Its name.
            container: Of the pod.
            limit: Most bytes.
            previous: Of the container that was there before the one that is.
        """
        query = {"container": container, "limitBytes": str(limit)}
        if previous:
            query["previous"] = "true"
        path = f"{PODS.path(namespace, pod)}/log"
        try:
            return await self._bytes("GET", path, "read the log of a pod", query)
        except Absent:
            return None

    async def apply(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: dict[str, Any],
        *,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Make an object or change it to say what ``body`` says (server-side apply, by force).

        Asking again after `Unreachable` makes no second one.

        Args:
            kind: Of object.
            namespace: Where.
            name: Of the object.
            body: What we want of it; it need not repeat its name and namespace.
            dry_run: Look whether it would be taken, by every admission rule, and change nothing.
        """
        meta = {**body.get("metadata", {}), "name": name}
        if namespace:
            meta["namespace"] = namespace
        query = {"fieldManager": USER, "force": "true", "dryRun": "All" if dry_run else ""}
        return await self._ask(
            "PATCH", kind.path(namespace, name), f"apply {kind.plural}",
            query, {**body, "metadata": meta}, "application/apply-patch+yaml",
        )  # fmt: skip

    async def delete(
        self, kind: Kind, namespace: str | None, name: str, *, uid: str | None = None
    ) -> bool:
        """Remove an object after all that belongs to it; False when it is not there.

        Args:
            kind: Of object.
            namespace: Where.
            name: Of the object.
            uid: Remove it only while it is still this one.
        """
        body: dict[str, Any] = {"propagationPolicy": "Foreground"}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self._ask(
                "DELETE", kind.path(namespace, name), f"delete {kind.plural}", None, body
            )
        except Absent:
            return False
        except Conflicting:
            if uid is None:
                raise
            return False  # Another one has its name by now.
        return True

    async def serves(self, kind: Kind) -> bool:
        """Whether the cluster has this kind of object."""
        try:
            found = await self._ask("GET", kind.root, f"discover {kind.plural}")
        except Absent:
            return False
        return any(each.get("name") == kind.plural for each in found.get("resources") or ())

    async def may(self, verb: str, kind: Kind, namespace: str | None) -> bool:
        """Whether we are allowed a verb, such as ``list``; None asks for all namespaces."""
        resource, _, part = kind.plural.partition("/")
        attributes = {
            "verb": verb, "group": kind.group, "version": kind.version, "resource": resource,
            "subresource": part, "namespace": namespace or "",
        }  # fmt: skip
        review = {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }  # fmt: skip
        answer = await self._ask("POST", REVIEWS.path(None), "ask what we may do", None, review)
        return bool((answer.get("status") or {}).get("allowed"))

    async def _ask(self, *request: Any) -> dict[str, Any]:
        data = await self._bytes(*request)
        with told(self.pace):
            answer = json.loads(data)
            if not isinstance(answer, dict):
                raise ValueError("no object")
        return answer

    async def _bytes(
        self, method: str, path: str, asked: str, query: Mapping[str, str] | None = None,
        body: object = None, content: str = JSON,
    ) -> bytes:  # fmt: skip
        with told(self.pace):
            async with asyncio.timeout(self.timeout):
                response = await self._connection.send(
                    method, path, query, body, content, again=method == "GET" and self.pace.well
                )
                async with response:
                    data: bytes = await response.read()
            if not 200 <= response.status < 300:
                raise _refusal(response, data, asked)
        self.pace.heard(True)
        return data


def _refusal(response: aiohttp.ClientResponse, data: bytes, asked: str) -> Answered:
    response.close()
    try:
        body = json.loads(data)
    except ValueError:
        body = None  # Not from the API server, but from something in front of it.
    return refusal(response.status, body, asked, response.headers)
