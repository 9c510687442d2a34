"""`Deployed`: one model that is served, as a person at a prompt handles it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InvalidRequest, NotFound, Unavailable
from .names import check_name
from .rows import from_rows
from .specs import Deployment, DeploymentReplica, DeploymentSpec, DeploymentState, Event
from .tables import deployment_text

if TYPE_CHECKING:
    from .client import Client

__all__ = ("Deployed", "deploy_file", "deploy_model")

#: How long a service that does not answer is waited for: deployments outlive it.
_PATIENCE = 60.0
_TAIL_BYTES = 256 * 1024


class Deployed:
    """A handle: asks the service when it is asked, and remembers the last answer.

    ::

        _deployment.wait()
        _deployment.predict(x[:3])
        _deployment.scale(3)
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

    def predict(self, instances: Any) -> Any:
        """What the model answers to rows, as a numpy array where numpy is there; see `from_rows`.

        Args:
            instances: Rows: a list, an array, a tensor or a table; for a model with several inputs
                a dict that has rows for each.
        """
        return from_rows(self.client.predict(self.name, instances))

    def scale(self, replicas: int) -> Deployed:
        """Have so many replicas; returns itself at once."""
        self.info = self.client.scale(self.name, replicas)
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
        """Wait until every replica that is wished for answers; returns itself.

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
            if info.state is DeploymentState.READY:
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
        why = f" ({self.info.reason})" if self.info.reason else ""
        ready = f"{self.info.ready} of {self.info.spec.replicas} ready"
        return f"{self.name}: {self.info.state.value}, {ready}{why}"

    def __repr__(self) -> str:
        return deployment_text(self.info)


def deploy_file(client: Client, file: Path, name: str, replicas: int) -> Deployed:
    """Keep a file as the next version of the model of this name, and serve that version."""
    made = client.publish(name, file)
    spec = DeploymentSpec(name=name, model=name, version=made.version, replicas=replicas)
    return Deployed(client, client.deploy(spec))


def deploy_model(client: Client, word: str, name: str | None, replicas: int) -> Deployed:
    """Serve ``MODEL`` in its newest version, or ``MODEL:VERSION``; under its own name without one.

    Raises:
        InvalidRequest: the word is neither, or there is no such model or version.
    """
    model, colon, number = word.partition(":")
    check_name(model, "model")
    if colon and not (number.isascii() and number.isdigit()):
        raise InvalidRequest(f"{number!r} is no version; it is a number from 1 up.")
    version = int(number) if colon else None
    spec = DeploymentSpec(name=name or model, model=model, version=version, replicas=replicas)
    try:
        return Deployed(client, client.deploy(spec))
    except InvalidRequest as exc:
        if exc.field != "model":
            raise
        raise InvalidRequest(
            f"you have no model {model}.",
            hint="A file that ends in .onnx is published and deployed in one go.",
            field="model",
        ) from None
