"""`ServingClient`: the half of `client.Client` that publishes models, serves them and asks them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .rows import has_images, to_body
from .specs import (
    Canary,
    Deployment,
    DeploymentPage,
    DeploymentSpec,
    Endpoint,
    Event,
    LogChunk,
    ModelPage,
    ModelSource,
    ModelVersion,
    Tensor,
)
from .transport import Transport, path, received, with_facts

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

    def publish(
        self,
        model: str,
        file: str | Path,
        *,
        metrics: Mapping[str, float] | None = None,
        example: str = "",
        source: ModelSource | None = None,
    ) -> ModelVersion:
        """Keep a file of this machine as the next version of a model; a new name makes a new model.

        Args:
            model: Name.
            file: ONNX, torch.export, TorchScript, a SavedModel as a zip or tar archive, or a pickle
                where the administrator allows those.
            metrics: What was measured of it, by name.
            example: JSON text of a request that it answers.
            source: What it was made from.

        Raises:
            InvalidRequest: the file is no model, or what is said of it is too long to travel with
                it: 12 KiB, encoded.
        """
        told: dict[str, str] = {}
        if metrics:
            told["metrics"] = json.dumps(dict(metrics))
        if example:
            told["example"] = example
        if source is not None:
            told["source"] = json.dumps(source.to_wire())
        at = with_facts(path("models", model, "versions"), told)
        return self._transport.upload(at, Path(file), ModelVersion.from_wire)

    def publish_from(
        self,
        model: str,
        path_there: str,
        *,
        volume: str = "",
        job: str = "",
        step: int | None = None,
        metrics: Mapping[str, float] | None = None,
        example: str = "",
    ) -> ModelVersion:
        """Keep what lies in the lab, on a volume or with a training as the next version.

        Args:
            model: Name.
            path_there: From the root of the lab's files, of the volume, or as the training has it.
            volume: Name of a volume.
            job: Id of a training.
            step: Of the checkpoint.
            metrics: What was measured of it, by name.
            example: JSON text of a request that it answers.
        """
        body = {
            **{"path": path_there, "volume": volume, "job": job, "step": step},
            **{"metrics": dict(metrics or {}), "example": example},
        }
        # As bytes: copying gigabytes of a volume takes its time.
        return self._transport.ask(
            "POST",
            path("models", model, "versions"),
            ModelVersion.from_wire,
            body=json.dumps(body).encode(),
        )

    def download(
        self,
        model: str,
        version: int,
        to: str | Path,
        *,
        packed: bool = False,
        replace: bool = False,
    ) -> Path:
        """Write a version's file; returns its path.

        Args:
            model: Name.
            version: Its number.
            to: A file. Nothing is left there when the answer breaks off.
            packed: As a zip archive with a manifest, for devices; ONNX only.
            replace: In the place of a file that is there.

        Raises:
            NotFound: there is no such model or version.
            Conflict: it is not ONNX and was to be packed.
            InvalidRequest: the file cannot be written, or is there already.
        """
        at = path("models", model, "versions", str(version), "export" if packed else "file")
        target = Path(to)
        with (
            self._transport.stream(at) as answer,
            received(target, replace=replace) as file,
        ):
            for piece in answer.iter_bytes():
                file.write(piece)
        return target

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

    def canary(self, name: str, canary: Canary) -> Deployment:
        """Have another version answer a part of the requests; again with another part, or others.

        ::

            client.canary("digits", Canary(version=2, percent=10))

        Raises:
            Conflict: that version serves already.
            InvalidRequest: there is no such version.
        """
        return self._transport.ask(
            "POST",
            path("deployments", name, "canary"),
            Deployment.from_wire,
            body=canary.to_wire(),
        )

    def promote(self, name: str) -> Deployment:
        """Have the canary's version answer everything, without a failed request.

        Raises:
            Conflict: there is no canary.
        """
        return self._transport.ask(
            "POST", path("deployments", name, "promote"), Deployment.from_wire, body={}
        )

    def rollback(self, name: str) -> Deployment:
        """Have the canary answer nothing more; without one, serve what was served before.

        Raises:
            Conflict: there is no canary, and nothing was served before.
        """
        return self._transport.ask(
            "POST", path("deployments", name, "rollback"), Deployment.from_wire, body={}
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

    def predict(self, name: str, instances: Any, *, version: int | None = None) -> list[Any]:
        """What a model answers, row by row. For images its inputs are asked for first.

        Args:
            name: Of the deployment; ``ada/digits`` for one of another person who lets you.
            instances: Rows: a list, an array, a tensor, a table or PIL images (see
                `rows.to_body`); for a model with several inputs a dict that has rows for each.
            version: Of those that serve; None: whichever gets the request.

        Raises:
            NotFound: there is none that you may ask.
            InvalidRequest: the rows do not fit the model; the message is the model server's. Or
                that version does not serve here.
            TooLarge: these are too many rows for one request.
            Unavailable: nothing answers: the deployment is starting or failed.
        """
        owner, _, own = name.rpartition("/")
        inputs = self._inputs(owner, own, version) if has_images(instances) else ()
        return self._transport.ask(
            "POST",
            path("deployments", own, "predict"),
            lambda answer: list(answer["predictions"]),
            body=to_body(instances, _MOST, inputs),
            version=version,
            owner=owner or None,
        )

    def _inputs(self, owner: str, name: str, version: int | None) -> tuple[Tensor, ...]:
        """What the version that a deployment serves takes."""
        if owner:
            return self._transport.ask(
                "GET", path("endpoints", owner, name), Endpoint.from_wire
            ).inputs
        there = self.deployment(name)
        wanted = there.version if version is None else version
        found = self.versions(there.spec.model)
        return next((each.inputs for each in found if each.version == wanted), ())
