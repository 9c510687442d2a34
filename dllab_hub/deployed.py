"""`Deployed`: one model that is served, as a person at a prompt handles it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .errors import NotFound, Unavailable
from .rows import from_rows
from .specs import (
    Canary,
    Deployment,
    DeploymentReplica,
    DeploymentState,
    Event,
)
from .tables import deployment_reason, deployment_text, wanted

if TYPE_CHECKING:
    from .client import Client

__all__ = ("Deployed",)

#: How long a service that does not answer is waited for: deployments outlive it.
_PATIENCE = 60.0
_TAIL_BYTES = 256 * 1024


class Deployed:
    """A handle: asks the service when it is asked, and remembers the last answer.

    ::

        _deployment.wait()
        _deployment.predict(x[:3])
        _deployment.scale(3)
        _deployment.canary(2, percent=10)
        _deployment.promote()
        print(_deployment.logs(lines=20))

    Args:
        client: Whom to ask.
        info: What is known already.
    """

    def __init__(self, client: Client, info: Deployment) -> None:
        self.client = client
        self.info = info

    @property
    def name(self) -> str:
        """Name it was deployed under."""
        return self.info.name

    @property
    def url(self) -> str:
        """Path of the deployment at the lab's address: ``v1/models/<name>:predict`` is below it."""
        return self.info.url

    @property
    def state(self) -> DeploymentState:
        """State right now."""
        return self.refresh().info.state

    @property
    def replicas(self) -> tuple[DeploymentReplica, ...]:
        """Processes that serve it, right now."""
        return self.refresh().info.replicas

    @property
    def ready(self) -> int:
        """How many of them answer, right now."""
        return self.refresh().info.ready

    def refresh(self) -> Deployed:
        """Ask again; returns itself."""
        self.info = self.client.deployment(self.name)
        return self

    def predict(self, instances: Any, *, version: int | None = None) -> Any:
        """What the model answers to rows, as a numpy array where numpy is there; see `from_rows`.

        Args:
            instances: Rows: a list, an array, a tensor, a table or PIL images; for a model with
                several inputs a dict that has rows for each. See `rows.to_body` for images.
            version: Of those that serve; None: whichever gets the request.
        """
        return from_rows(self.client.predict(self.name, instances, version=version))

    def scale(self, replicas: int) -> Deployed:
        """Have so many replicas; returns itself at once. With bounds it is where it goes on from.

        Raises:
            InvalidRequest: it is to scale by itself between other numbers.
        """
        self.info = self.client.scale(self.name, replicas)
        return self

    def canary(
        self,
        version: int,
        percent: int = 10,
        *,
        replicas: int = 1,
        max_errors: float | None = 0.05,
        max_slowdown: float | None = None,
    ) -> Deployed:
        """Have another version answer a part of the requests; returns itself at once.

        It is rolled back by itself when it does worse than it may. Again with the same version it
        changes the rest; with another one it replaces the canary.

        Args:
            version: Of the same model.
            percent: Of the requests, drawn by lot; 0: only those that ask for this version.
            replicas: That serve it.
            max_errors: Most of its answers that may be 5xx, as a share; None: any.
            max_slowdown: How many times as long as the other version it may take; None: any.

        Raises:
            Conflict: that version serves already.
            InvalidRequest: there is no such version.
        """
        canary = Canary(
            version=version,
            percent=percent,
            replicas=replicas,
            max_errors=max_errors,
            max_slowdown=max_slowdown,
        )
        self.info = self.client.canary(self.name, canary)
        return self

    def promote(self) -> Deployed:
        """Have the canary's version answer everything; returns itself at once.

        Raises:
            Conflict: there is no canary.
        """
        self.info = self.client.promote(self.name)
        return self

    def rollback(self) -> Deployed:
        """End the canary; without one, serve what was served before. Returns itself at once.

        Raises:
            Conflict: there is no canary, and nothing was served before.
        """
        self.info = self.client.rollback(self.name)
        return self

    def logs(self, replica: str | None = None, *, lines: int | None = None) -> str:
        """What a replica printed.

        Args:
            replica: Such as ``replica-1``, or ``balancer``; None for the newest replica.
            lines: Only so many of the last, at least 1; None for everything.
        """
        pieces: list[str] = []
        offset = 0 if lines is None else -_TAIL_BYTES
        while True:
            chunk = self.client.deployment_logs(
                self.name, replica=replica, offset=offset, limit=_TAIL_BYTES
            )
            pieces.append(chunk.text)
            offset, replica = chunk.next_offset, replica or chunk.replica
            if lines is not None or not chunk.text:
                break
        text = "".join(pieces)
        if lines is None:
            return text
        kept = text.removesuffix("\n").split("\n")
        return "\n".join(kept[-lines:]) + ("\n" if text.endswith("\n") else "")

    def events(self) -> tuple[Event, ...]:
        """What happened to it, oldest first."""
        return self.client.deployment_events(self.name)

    def wait(self, timeout: float | None = 300, *, show: bool = True) -> Deployed:
        """Wait until every replica that is wished for answers, or none is, because nobody asks;
        returns itself.

        Interrupting the wait does not touch the deployment.

        Args:
            timeout: Seconds, None for as long as it takes.
            show: Print a line when the state changes.

        Raises:
            Unavailable: it failed; the message is the reason. The lab goes on trying.
            TimeoutError: it is not ready after ``timeout``; nothing happens to it.
        """
        began = answered = time.monotonic()
        said: tuple[object, ...] = ()
        pause = 0.2
        while True:
            try:
                self.refresh()
                answered, pause = time.monotonic(), min(pause * 1.2, 1.0)
            except Unavailable:
                if time.monotonic() - answered > _PATIENCE:
                    raise
                pause = min(pause * 2, 5.0)
            info, now = self.info, time.monotonic()
            if show and said != (said := (info.state, info.ready, info.reason)):
                print(self._line(), flush=True)
            if info.state in (DeploymentState.READY, DeploymentState.IDLE):
                return self
            if info.state is DeploymentState.FAILED:
                raise Unavailable(
                    f"{self.name} failed: {info.reason}",
                    hint="Its log may say more: .logs() of this handle. The lab goes on trying.",
                )
            if info.state is DeploymentState.DELETING:
                raise NotFound(f"{self.name} is being deleted.")
            if timeout is not None and now - began >= timeout:
                raise TimeoutError(f"{self.name} is {info.state.value} after {timeout:g} s")
            time.sleep(pause if timeout is None else min(pause, began + timeout - now))

    def delete(self) -> None:
        """Serve it no more, once its last requests are answered; the model stays."""
        self.client.delete(self.name)

    def _line(self) -> str:
        reason = deployment_reason(self.info)
        why = f" ({reason})" if reason else ""
        ready = f"{self.info.ready} of {wanted(self.info)} ready"
        return f"{self.name}: {self.info.state.value}, {ready}{why}"

    def __repr__(self) -> str:
        return deployment_text(self.info)
