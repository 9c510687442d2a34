"""`PlayedServing`: models on a scripted API server, where the test plays the controllers."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fake_api import Asked, FakeApi
from servings import CLUSTER

from dllab_hub.backends.calls import Call
from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.kinds import DEPLOYMENTS, EVENTS, PODS
from dllab_hub.backends.kubernetes.serving import ClusterServing
from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.serving.models import Models
from dllab_hub.catalog import assemble
from dllab_hub.errors import NotFound
from dllab_hub.manifests.served import CANARY, object_name
from dllab_hub.manifests.serving_cluster import ServingCluster
from dllab_hub.specs import Catalog, Deployment, DeploymentSpec, DeploymentState
from dllab_hub.state import StateDir

__all__ = (
    *("ASK", "HOST", "ONNX", "OTHER", "THIRD", "WISH", "PlayedServing", "crashing", "eventually"),
    *("remove_pods", "told"),
)

#: Addresses of pods.
HOST, OTHER, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"
WISH = DeploymentSpec(name="digits", model="digits", version=1)
ASK = Call("POST", "v2/models/digits/infer", b"{}")

#: Begins as a file of ONNX does; nobody here loads it.
ONNX = b"\x08\x08tiny"
_T = TypeVar("_T")
_IMAGE = {"name": "torch", "title": "T", "framework": "pytorch", "version": "1", "container": "t"}


async def eventually(ask: Callable[[], Awaitable[_T]], seconds: float = 5.0) -> _T:
    """The first truthy answer."""
    give_up = time.monotonic() + seconds
    while not (answer := await ask()):
        assert time.monotonic() < give_up, "it did not become so"
        await asyncio.sleep(0.01)
    return answer


@dataclass
class PlayedServing:
    """A cluster that does what the test says, and a lab service for it.

    Attributes:
        fake: Its API server.
        state: Of the lab service.
        cluster: The administrator's settings.
        said: What ``catalog.toml`` says.
    """

    fake: FakeApi
    state: StateDir
    cluster: ServingCluster = CLUSTER
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def space(self) -> str:
        return self.cluster.namespace

    @asynccontextmanager
    async def service(self, *, found: bool = True) -> AsyncIterator[ClusterServing]:
        """A lab service, which has found the cluster where ``found``; it lets go at the end."""
        config = self.state.root / "kubeconfig"
        serving = ClusterServing(
            self.state,
            self.cluster,
            self._catalog,
            lambda: self.said,
            lambda: _connect(self.fake, config),
            Account(None, os.geteuid(), os.getegid(), "/"),
        )
        await serving.start()
        try:
            if found:
                assert await serving.found(10)
            yield serving
        finally:
            await serving.close()

    def _catalog(self) -> Catalog:
        return assemble({"images": [_IMAGE]}, (), "cluster")

    def publish(self, versions: int = 1, owner: str = "ada", model: str = "digits") -> None:
        """So many versions of a model, without anybody looking into them."""
        models = Models(self.state.models)
        account = Account(None, os.geteuid(), os.getegid(), "/")
        for number in range(versions):
            file = self.state.root / f"{owner}-{number}.onnx"
            file.write_bytes(ONNX)
            draft = models.draft(owner, file, account)
            models.keep(owner, model, draft, {"inputs": [], "outputs": [], "example": ""})

    # What the cluster has.

    def work(
        self, name: str = "digits", owner: str = "ada", *, canary: bool = False
    ) -> dict[str, Any] | None:
        """The Deployment of a track, or None."""
        called = object_name(owner, name) + (f"-{CANARY}" if canary else "")
        return self.fake.get(DEPLOYMENTS, self.space, called)

    def found(self, **which: Any) -> dict[str, Any]:
        """As `work`, where it has to be there."""
        work = self.work(**which)
        assert work is not None
        return work

    @property
    def version(self) -> str:
        """Of the model, as the Deployment says it."""
        return str(self.found()["spec"]["template"]["metadata"]["labels"]["dllab-hub/version"])

    def there(self, name: str = "digits", owner: str = "ada") -> dict[str, set[str]]:
        """Kinds of the objects of a deployment's two tracks."""
        stable = object_name(owner, name)
        found: dict[str, set[str]] = {"stable": set(), "canary": set()}
        for plural, _, called in self.fake.objects:
            if plural != "pods" and called in (stable, f"{stable}-{CANARY}"):
                found["stable" if called == stable else "canary"].add(plural)
        return found

    def applied(self, *, dry: bool = False) -> list[Asked]:
        """Requests to apply something; only tries, or only the others."""
        return [one for one in self.fake.asked("apply") if bool(one.query.get("dryRun")) == dry]

    # What it does.

    def roll(
        self, hosts: Sequence[str], name: str = "digits", owner: str = "ada", *,
        canary: bool = False, **pod: Any,
    ) -> list[str]:  # fmt: skip
        """Have pods at these addresses, as the Deployment says, and no others; names of them."""
        work = self.work(name, owner, canary=canary)
        assert work is not None
        for key, old in list(self.fake.objects.items()):
            if key[0] == "pods" and key[2].rpartition("-")[0] == work["metadata"]["name"]:
                self.fake.remove(PODS, self.space, str(old["metadata"]["name"]))
        self._round = getattr(self, "_round", 0) + 1
        names = [
            self.pod(work, f"{self._round:02}{number:03}", host, **pod)
            for number, host in enumerate(hosts)
        ]
        status = {"replicas": len(hosts), "updatedReplicas": len(hosts)}
        self.fake.put(DEPLOYMENTS, {**work, "status": status})
        return names

    def pod(
        self, work: dict[str, Any], suffix: str, host: str, *, ready: bool = True, **more: Any
    ) -> str:
        """A pod of a Deployment; the name by which people know it."""
        template = work["spec"]["template"]
        name = f"{work['metadata']['name']}-{suffix}"
        container = {"name": "model", "state": {"running": {"startedAt": _now()}}, "ready": ready}
        status = {
            "phase": "Running",
            "podIP": host,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [more.get("container", container)],
        }
        meta = {
            "name": name,
            "namespace": self.space,
            "labels": template["metadata"]["labels"] | more.get("labels", {}),
            "annotations": template["metadata"]["annotations"] | more.get("notes", {}),
            **({"deletionTimestamp": _now()} if more.get("leaves") else {}),
        }
        self.fake.put(
            PODS,
            {"metadata": meta, "spec": template["spec"], "status": more.get("status", status)},
        )
        return f"replica-{suffix[-5:]}"

    def event(self, kind: str, name: str, reason: str, message: str) -> None:
        """One of the cluster, about an object."""
        self.fake.put(EVENTS, {
            "metadata": {"namespace": self.space, "name": f"{name}.{time.monotonic_ns():x}"},
            "type": "Warning", "reason": reason, "message": message, "lastTimestamp": _now(),
            "involvedObject": {"kind": kind, "name": name},
        })  # fmt: skip

    # What the lab says.

    async def state_of(
        self, serving: ClusterServing, *states: DeploymentState, name: str = "digits"
    ) -> Deployment:
        """The deployment once it is in one of the states."""
        last: list[Deployment] = []

        async def reached() -> Deployment | None:
            last[:] = [await serving.get("ada", name)]
            return last[0] if last[0].state in states else None

        try:
            return await eventually(reached)
        except AssertionError:
            raise AssertionError(f"not {states} but {last[0].state}: {last[0].reason}") from None

    async def has(
        self, serving: ClusterServing, *, owner: str = "ada", replicas: int | None = None,
        ready: int | None = None, replica: str = "", reason: str | None = "",
    ) -> Deployment | None:  # fmt: skip
        """The deployment if it has so many replicas, that one, or something like this reason."""
        seen = await serving.get(owner, "digits")
        fits = (
            replicas in (None, len(seen.replicas))
            and ready in (None, seen.ready)
            and (not replica or replica in [one.name for one in seen.replicas])
            and (not seen.reason if reason is None else reason in seen.reason)
        )
        return seen if fits else None

    async def ready(
        self, serving: ClusterServing, spec: DeploymentSpec, hosts: Sequence[str] = ("127.0.0.2",)
    ) -> Deployment:
        """A deployment, and pods that answer; nothing is left to do about it."""
        await serving.deploy("ada", spec)
        await eventually(lambda: _soon("services" in self.there(spec.name)["stable"]))
        self.roll(hosts, spec.name)
        seen = await self.state_of(serving, DeploymentState.READY, name=spec.name)
        wish, settler = serving._live["ada", spec.name].controller.wish, serving._settler
        assert settler is not None
        await eventually(lambda: _soon(wish.id in settler._cleared))
        return seen

    async def gone(self, serving: ClusterServing, name: str = "digits") -> None:
        """Wait until a deployment is no more."""

        async def is_gone() -> bool:
            try:
                await serving.get("ada", name)
            except NotFound:
                return True
            return False

        await eventually(is_gone)


async def told(serving: ClusterServing, name: str = "digits") -> list[str]:
    """Reasons of its events."""
    return [one.reason for one in await serving.events("ada", name)]


def remove_pods(played: PlayedServing) -> None:
    """All pods have ended."""
    for plural, space, name in list(played.fake.objects):
        if plural == "pods":
            played.fake.remove(PODS, space, name)


def crashing(message: str = "") -> dict[str, Any]:
    """Status of a container that ends as soon as it starts, and waits to be tried again."""
    over = {"exitCode": 1, "reason": "Error", "message": message}
    return {
        "name": "model",
        "restartCount": 5,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": over},
    }


async def _connect(fake: FakeApi, config: Any) -> Api:
    api = await Api.connect(str(fake.kubeconfig(config)))
    api.pace.every = 0.01
    return api


async def _soon(value: _T) -> _T:
    return value


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
