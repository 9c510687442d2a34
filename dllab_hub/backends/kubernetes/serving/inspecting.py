"""`Inspector`: has a model looked into by a pod, in the image that would serve it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ....errors import DLLabError, InvalidRequest, Unavailable
from ....manifests.inspection import EXAMPLE, INSPECTION_LABEL, Inspection, inspection, is_over
from ....manifests.serving_cluster import ServingCluster
from ...local.serving.inspection import understood
from ...local.serving.models import Draft
from ..api import Api
from ..kinds import PODS
from ..trouble import Refused, Unreachable

__all__ = ("Inspector",)

_LOG = logging.getLogger(__name__)
#: Seconds between two looks at the pod, and after one for which the API server had no time.
_OFTEN, _AGAIN = 0.3, 2.0
#: Seconds that it may wait for a place, and to load the model once it runs.
_PLACE, _LOAD = 120.0, 90.0
#: Bytes of what it writes.
_LONGEST = 1 << 20
_NEVER = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"}
#: What the model server says of a file that is not there.
_MISSING = "there is no such file."
#: Exit code of a process that a signal has ended, less the signal's number.
_SIGNALLED = 128


class Inspector:
    """Used on one event loop.

    Args:
        reach: Gives the way to the cluster, and the administrator's settings.
    """

    def __init__(self, reach: Callable[[], tuple[Api, ServingCluster]]) -> None:
        self._reach = reach

    async def look(self, owner: str, draft: Draft, example: str) -> dict[str, Any]:
        """As ``local.serving.inspection.inspect``.

        Raises:
            InvalidRequest: it is no model that can be served; the message says why.
            Unavailable: the cluster did not look into it.
        """
        api, cluster = self._reach()
        about = Inspection(
            id=secrets.token_hex(6),
            owner=owner,
            slug=draft.folder.parent.name,
            folder=draft.folder.name,
            format=draft.format,
            size=draft.size,
            example=bool(example),
        )
        async with _beside(draft, example):
            try:
                await api.apply(PODS, cluster.namespace, about.name, inspection(about, cluster))
                pod = await self._over(api, cluster, about.name)
                text = await api.log(cluster.namespace, about.name, "model", _LONGEST) or b""
            except Refused as exc:
                raise Unavailable(
                    f"the cluster refuses to look into the model: {exc.said or exc.message}",
                    hint="Show it to the administrator.",
                ) from exc
            finally:
                await asyncio.shield(_remove(api, cluster, about.name))
        try:
            return _told(pod, text)
        except InvalidRequest as exc:
            if exc.message != _MISSING:  # It is here; what the pod has mounted is another disk.
                raise
            raise Unavailable(
                f"the cluster does not find the model: its claim {cluster.claim} is not on the "
                "storage that the lab writes to.",
                hint="Show it to the administrator.",
            ) from exc

    async def clear(self, api: Api, cluster: ServingCluster) -> None:
        """Remove what a service before has left."""
        found, _ = await api.list(PODS, cluster.namespace, labels=INSPECTION_LABEL)
        for pod in found:
            await _remove(api, cluster, str(pod["metadata"]["name"]))

    async def _over(self, api: Api, cluster: ServingCluster, name: str) -> Mapping[str, Any]:
        """The pod, once it has ended."""
        placed = time.monotonic() + _PLACE
        loaded = float("inf")
        while True:
            try:
                pod = await api.get(PODS, cluster.namespace, name)
            except Unreachable:
                if time.monotonic() > placed:
                    raise
                await asyncio.sleep(_AGAIN)
                continue
            if pod is None:
                raise Unavailable(
                    "somebody has removed the pod that looked into the model.",
                    hint="Publish it again.",
                )
            if is_over(pod):
                return pod
            status = _status(pod)
            waiting = (status.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in _NEVER:
                raise Unavailable(
                    f"the image that serves it cannot be had: {_sentence(waiting)}",
                    hint="Show it to the administrator.",
                )
            now = time.monotonic()
            if (status.get("state") or {}).get("running"):
                loaded = min(loaded, now + _LOAD)
            if now > loaded:
                raise InvalidRequest(
                    f"the model could not be loaded within {_LOAD:.0f} seconds.", field="model"
                )
            if now > placed and loaded == float("inf"):
                raise Unavailable(
                    f"the cluster did not look into the model within {_PLACE:.0f} seconds: "
                    f"{_why(pod)}",
                    hint="Try again later, or show it to the administrator.",
                )
            await asyncio.sleep(_OFTEN)


@asynccontextmanager
async def _beside(draft: Draft, example: str) -> AsyncIterator[None]:
    """A request that came with the model lies beside it as long as it is looked into."""
    path = draft.folder / EXAMPLE
    if example:
        await asyncio.to_thread(_write, path, example, draft.account.uid, draft.account.gid)
    try:
        yield
    finally:
        if example:
            await asyncio.to_thread(path.unlink, missing_ok=True)


def _write(path: Path, text: str, uid: int, gid: int) -> None:
    path.write_text(text)
    path.chmod(0o400)
    if uid != os.geteuid():
        os.chown(path, uid, gid)


async def _remove(api: Api, cluster: ServingCluster, name: str) -> None:
    try:
        await api.delete(PODS, cluster.namespace, name)
    except DLLabError as exc:  # Its own deadline ends it.
        _LOG.warning("The pod %s is left in the cluster: %s", name, exc)


def _told(pod: Mapping[str, Any], text: bytes) -> dict[str, Any]:
    """The answer is the last line that is one; warnings of frameworks come before."""
    ended = (_status(pod).get("state") or {}).get("terminated") or {}
    code = int(ended.get("exitCode") or 0)
    if ended.get("reason") == "OOMKilled" or code > _SIGNALLED:
        code = -(9 if ended.get("reason") == "OOMKilled" else code - _SIGNALLED)
    lines = [line for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        if _is_answer(line):
            return understood(code, line, "", "")
    status = pod.get("status") or {}
    if status.get("reason"):  # Such as Evicted: that says nothing of the model.
        raise Unavailable(
            f"the cluster has ended the pod that looked into the model: {_sentence(status)}",
            hint="Publish it again.",
        )
    last = lines[-1].decode("utf-8", "replace")[:500] if lines else ""
    hint = "The administrator can have it built again: images/README.md."
    return understood(code, b"", last, hint)


def _is_answer(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _status(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    return next(iter(found), {})


def _sentence(said: Mapping[str, Any]) -> str:
    return str(said.get("message") or said.get("reason") or "the cluster does not say why.")


def _why(pod: Mapping[str, Any]) -> str:
    for one in (pod.get("status") or {}).get("conditions") or ():
        if one.get("type") == "PodScheduled" and one.get("status") == "False":
            return _sentence(one)
    return _sentence((_status(pod).get("state") or {}).get("waiting") or {})
