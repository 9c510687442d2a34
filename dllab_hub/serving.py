"""`ServingClient`: the half of `client.Client` that publishes models, serves them and asks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .rows import to_body
from .specs import (
    Deployment,
    DeploymentPage,
    DeploymentSpec,
    Event,
    LogChunk,
    ModelPage,
    ModelVersion,
)
from .transport import Transport, path

__all__ = ("ServingClient",)

#: What a lab takes as one request to a model. Said here, it costs no upload of hundreds of MB.
_MOST = 8 * 1024 * 1024


class ServingClient:
    """One request for each method; errors are those of `dllab_hub.errors`, as the lab raised them.

    ::

        client.publish("digits", Path("digits.onnx"))
        client.deploy(DeploymentSpec(name="digits", model="digits", replicas=2))
        client.predict("digits", [[0.0] * 64])

    Args:
        transport: To the lab's interface.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def publish(self, model: str, file: str | Path) -> ModelVersion:
        """Keep an ONNX file as the next version of a model; a new name makes a new model."""
        return self._transport.upload(
            path("models", model, "versions"), Path(file), ModelVersion.from_wire
        )

    def models(self, *, limit: int = 50, after: str | None = None) -> ModelPage:
        """My models by name, each with its versions, newest first."""
        return self._transport.ask("GET", "models", ModelPage.from_wire, limit=limit, next=after)

    def versions(self, model: str) -> tuple[ModelVersion, ...]:
        """Versions of a model, newest first."""
        return self._transport.ask(
            "GET",
            path("models", model, "versions"),
            lambda answer: tuple(map(ModelVersion.from_wire, answer["versions"])),
        )

    def deploy(self, spec: DeploymentSpec) -> Deployment:
        """Serve a model; under a name in use, replace what runs there without a failed request."""
        return self._transport.ask("POST", "deployments", Deployment.from_wire, body=spec.to_wire())

    def deployment(self, name: str) -> Deployment:
        """The deployment as it is now."""
        return self._transport.ask("GET", path("deployments", name), Deployment.from_wire)

    def deployments(self, *, limit: int = 50, after: str | None = None) -> DeploymentPage:
        """My deployments by name.

        Args:
            limit: 1 to 500.
            after: ``next`` of the page before.
        """
        return self._transport.ask(
            "GET", "deployments", DeploymentPage.from_wire, limit=limit, next=after
        )

    def scale(self, name: str, replicas: int) -> Deployment:
        """Have so many replicas; those that are too many answer their last requests first."""
        return self._transport.ask(
            "POST",
            path("deployments", name, "scale"),
            Deployment.from_wire,
            body={"replicas": replicas},
        )

    def delete(self, name: str) -> None:
        """Serve it no more, once its last requests are answered; the model stays."""
        self._transport.ask("DELETE", path("deployments", name), dict)

    def deployment_logs(
        self, name: str, *, replica: str | None = None, offset: int = 0, limit: int = 65536
    ) -> LogChunk:
        """A piece of the log of a replica.

        Args:
            name: Of the deployment.
            replica: Such as ``replica-1``, or ``balancer``; None for the newest replica.
            offset: Where to start; negative counts from the end.
            limit: Most bytes, up to 1 MiB.
        """
        return self._transport.ask(
            "GET",
            path("deployments", name, "logs"),
            LogChunk.from_wire,
            replica=replica,
            offset=offset,
            limit=limit,
        )

    def deployment_events(self, name: str) -> tuple[Event, ...]:
        """What happened to a deployment, oldest first."""
        return self._transport.ask(
            "GET",
            path("deployments", name, "events"),
            lambda answer: tuple(map(Event.from_wire, answer["events"])),
        )

    def predict(self, name: str, instances: Any) -> list[Any]:
        """What a model answers, row by row.

        Args:
            name: Of the deployment.
            instances: Rows: a list, an array, a tensor or a table; for a model with several inputs
                a dict that has rows for each.

        Raises:
            InvalidRequest: the rows do not fit the model; the message is the model server's.
            TooLarge: these are too many rows for one request.
            Unavailable: nothing answers: the deployment is starting or failed.
        """
        return self._transport.ask(
            "POST",
            path("deployments", name, "predict"),
            lambda answer: list(answer["predictions"]),
            body=to_body(instances, _MOST),
        )
