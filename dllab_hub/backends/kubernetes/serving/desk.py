"""`Desk`: one deployment on a cluster: what was wished for, and what the cluster makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ....errors import Conflict, InvalidRequest
from ....manifests.deployed import deployed
from ....manifests.model_replica import name_of
from ....manifests.served import Served
from ....manifests.serving_cluster import ServingCluster
from ....manifests.serving_status import observed
from ....specs import (
    Canary,
    Catalog,
    Deployment,
    DeploymentReplica,
    DeploymentSpec,
    DeploymentState,
    ReplicaState,
)
from ...local.serving.access import AccessBook
from ...local.serving.deploymentdir import DeploymentDir
from ...local.serving.models import Models
from ...local.serving.wish import Wish
from .caller import PodsCaller
from .copies import There
from .news import news
from .replicas import Replica, parts, reached, standing

__all__ = ("Desk",)

_TROUBLED = (ReplicaState.FAILED, ReplicaState.RESTARTING)


class Desk:
    """One deployment. Its verbs are used by one thread at a time; see `Steering`.

    Args:
        folder: Of the deployment; made, with its wish.
        models: The published ones.
        cluster: The administrator's settings.

    Attributes:
        there: What the cluster has of it, as far as is known.
        trouble: Why the cluster did not do as it was told last, as a sentence; or empty.
        refused: Whether that was an answer, and not silence.
        failures: How often in a row that was so.
        retry_after: Seconds that the cluster has asked to wait then.
        hurried: Replicas that are to be tried again at once.
        caller: Asks its replicas.
    """

    def __init__(self, folder: DeploymentDir, models: Models, cluster: ServingCluster) -> None:
        self.wish = folder.load()
        self.folder, self.gone = folder, False
        self.access = AccessBook(folder.access, folder.say)
        self.gpus: tuple[tuple[str, ...], ...] = ()
        self.there = There()
        self.trouble, self.refused = "", False
        self.failures, self.retry_after = 0, 0.0
        self.hurried: set[str] = set()
        self._models, self._cluster = models, cluster
        self._replicas: tuple[Replica, ...] = ()
        #: Replicas of which the events tell; None before any are known.
        self._told: tuple[DeploymentReplica, ...] | None = None
        self.caller = PodsCaller(
            lambda: self._replicas, lambda: parts(self.wish), lambda: standing(self.there.pods)
        )
        self.seen = self._view()

    @property
    def served(self) -> Served:
        """The wish, with the models that it is for.

        Raises:
            InvalidRequest: the record of one of them is damaged or gone.
        """
        wish = self.wish
        versions = [wish.version, *([wish.canary.version] if wish.canary else [])]
        model, *others = (self._model(version) for version in versions)
        return Served(
            wish.owner,
            wish.spec,
            model,
            created=wish.created,
            updated=wish.updated,
            canary=wish.canary,
            canary_model=others[0] if others else None,
            previous=wish.previous,
            scaled=wish.scaled if self._cluster.autoscale(wish.spec) is None else None,
            generation=wish.number,
        )

    def wanted(self, catalog: Catalog) -> list[dict[str, Any]]:
        """Objects that the cluster is to have; raises as `served` and `deployed`."""
        return deployed(self.served, catalog, self._cluster)

    # What is wished for.

    def deploy(self, spec: DeploymentSpec, version: int) -> Deployment:
        if (spec, version) != (self.wish.spec, self.wish.version) or self.wish.deleting:
            wish = self.wish.again(spec, version)
            self._wish(wish, "Deployed", wish.sentence)
        else:
            self.hurried = {one.name for one in self.seen.replicas if one.state in _TROUBLED}
        return self.look()

    def scale(self, replicas: int, why: str = "") -> Deployment:
        if self._cluster.autoscale(self.wish.spec) is not None:
            if why:  # By the load, which the cluster follows.
                return self.look()
            raise Conflict(
                "the cluster's own autoscaler decides how many replicas there are.",
                hint="Deploy it again with other limits.",
            )
        wish = self.wish.scaled_to(replicas, by_load=bool(why))
        if wish.replicas != self.wish.replicas:
            self._wish(wish, "Scaled", f"{wish.sentence} {why}")
        return self.look()

    def canary(self, canary: Canary) -> Deployment:
        wish, before = self.wish.with_canary(canary), self.wish.canary
        if canary != before:
            part = (
                f"{canary.percent} % of the requests" if canary.percent else "no request by itself"
            )
            self._wish(wish, "Canary", f"version {canary.version} gets {part}.")
        return self.look()

    def promote(self) -> Deployment:
        wish = self.wish.promoted()
        self._wish(wish, "Promoted", f"version {wish.version} answers every request.")
        return self.look()

    def rollback(self, why: str = "") -> Deployment:
        wish, canary = self.wish.rolled_back(), self.wish.canary
        said = wish.sentence if canary is None else f"version {canary.version} gets nothing more."
        self._wish(wish, "RolledBack", f"{said} {why}")
        return self.look()

    def replace(self, by: str) -> Deployment:
        self.wish.check()
        if self.seen.state in (DeploymentState.STARTING, DeploymentState.IDLE):
            raise Conflict("there is no replica that could be replaced now.")
        # A pod that is deleted is missed until another one has started; a roll adds one first.
        wish = replace(self.wish, number=self.wish.number + 1)
        self._wish(wish, "Replacing", f"{by} has its replicas replaced, one by one.")
        return self.look()

    def delete(self) -> Deployment:
        if not self.wish.deleting:
            wish = replace(self.wish, deleting=True)
            self._wish(wish, "Deleting", "its replicas answer their last requests.")
        return self.look()

    # What is so.

    def look(self) -> Deployment:
        """See what `there` says by now, and tell what has changed."""
        self.seen = self._view()
        if self.there.live:
            if self._told is not None:
                for reason, message in news(self._told, self.seen):
                    self.folder.say(reason, message)
            self._told = self.seen.replicas
        self.access.tick()
        return self.seen

    @property
    def trouble_of_canary(self) -> str:
        """Why no replica of the canary can be started; empty while there is hope, or no canary."""
        canary = self.wish.canary
        if canary is None:
            return ""
        there = [one for one in self.seen.replicas if one.version == canary.version]
        failed = [one for one in there if one.state is ReplicaState.FAILED]
        return failed[0].reason if there and len(failed) == len(there) else ""

    @property
    def is_empty(self) -> bool:
        """Whether the cluster has nothing of it any more."""
        return self.there.live and not self.there.deployments and not self.there.pods

    @property
    def is_relieved(self) -> bool:
        """Whether what was promoted answers without the canary that it was."""
        return self.seen.state is DeploymentState.READY

    def pod_of(self, name: str | None) -> Mapping[str, Any] | None:
        """That of a replica, or of the newest; None: there is none."""
        if name is None and self.seen.replicas:
            name = self.seen.replicas[-1].name
        return next((pod for pod in self.there.pods if name_of(pod) == name), None)

    def _wish(self, wish: Wish, event: str, message: str) -> None:
        self.folder.save(wish)
        self.wish = wish
        self.folder.say(event, f"{message} {self._warning()}".strip())

    def _warning(self) -> str:
        found = self._models.version(self.wish.owner, self.wish.spec.model, self.wish.version)
        return found.warning if found is not None else ""

    def _model(self, version: int) -> Any:
        found = self._models.version(self.wish.owner, self.wish.spec.model, version)
        if found is None:
            raise InvalidRequest(
                f"the record of version {version} of {self.wish.spec.model} is damaged or gone.",
                hint="Publish it again.",
                field="version",
            )
        return found

    def _view(self) -> Deployment:
        there = self.there
        try:
            seen = observed(self.served, self._cluster, there.deployments, there.pods, there.events)
        except InvalidRequest as exc:
            seen = self._broken(exc)
        self._replicas = reached(self.wish, there.pods)
        return self._with_trouble(seen.model_copy(update={"traffic": self.caller.counting.traffic}))

    def _broken(self, why: InvalidRequest) -> Deployment:
        wish = self.wish
        return Deployment(
            name=wish.spec.name,
            owner=wish.owner,
            spec=wish.spec,
            version=wish.version,
            state=DeploymentState.FAILED,
            reason=str(why),
            created=wish.created,
            updated=wish.updated,
        )

    def _with_trouble(self, seen: Deployment) -> Deployment:
        """What it cannot know by its objects: that it is to end, and what the cluster refuses."""
        if self.wish.deleting:
            reason = self.trouble or "it answers its last requests."
            return seen.model_copy(update={"state": DeploymentState.DELETING, "reason": reason})
        why = self.trouble or self.there.trouble
        if not why or seen.state is DeploymentState.FAILED:
            return seen
        state: DeploymentState = seen.state
        if self.trouble:
            failed = DeploymentState.FAILED if self.refused else DeploymentState.STARTING
            state = DeploymentState.DEGRADED if seen.ready else failed
        return seen.model_copy(update={"state": state, "reason": why})
