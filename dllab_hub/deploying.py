"""`deploy_file`, `deploy_model`: from what somebody names to what is served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .deployed import Deployed
from .errors import InvalidRequest
from .names import check_name
from .specs import Autoscale, DeploymentSpec, ModelSource

if TYPE_CHECKING:
    from .client import Client

__all__ = ("deploy_file", "deploy_model", "model_file")

#: Ends of the names of files that are published: ONNX, PyTorch's two, a SavedModel in an archive.
_FILES = (".onnx", ".pt2", ".pt", ".zip", ".tar", ".tar.gz", ".tgz")


def model_file(word: str) -> str | None:
    """The name of a file with a model, without its end; None when the word is another thing.

    >>> model_file("runs/digits.onnx"), model_file("net.tar.gz"), model_file("digits:3")
    ('digits', 'net', None)
    """
    name = Path(word).name
    end = next((end for end in _FILES if name.endswith(end)), None)
    return None if end is None else name.removesuffix(end)


def deploy_file(
    client: Client,
    file: Path,
    name: str,
    replicas: int,
    autoscale: Autoscale | None = None,
    *,
    example: str = "",
    source: ModelSource | None = None,
) -> Deployed:
    """Keep a file as the next version of the model of this name, and serve that version.

    Args:
        client: Whom to ask.
        file: Of this machine.
        name: Of the model and of the deployment.
        replicas: How many.
        autoscale: Has their number follow the load.
        example: JSON text of a request that it answers.
        source: What it was made from.
    """
    made = client.publish(name, file, example=example, source=source)
    spec = DeploymentSpec(
        name=name, model=name, version=made.version, replicas=replicas, autoscale=autoscale
    )
    return Deployed(client, client.deploy(spec))


def deploy_model(
    client: Client,
    word: str,
    name: str | None,
    replicas: int,
    autoscale: Autoscale | None = None,
) -> Deployed:
    """Serve ``MODEL`` in its newest version, or ``MODEL:VERSION``; under its own name without one.

    Raises:
        InvalidRequest: the word is neither, or there is no such model or version.
    """
    model, colon, number = word.partition(":")
    check_name(model, "model")
    if colon and not (number.isascii() and number.isdigit()):
        raise InvalidRequest(f"{number!r} is no version; it is a number from 1 up.")
    version = int(number) if colon else None
    spec = DeploymentSpec(
        name=name or model, model=model, version=version, replicas=replicas, autoscale=autoscale
    )
    try:
        return Deployed(client, client.deploy(spec))
    except InvalidRequest as exc:
        if exc.field != "model":
            raise
        raise InvalidRequest(
            f"you have no model {model}.",
            hint=f"A file is published and deployed in one go: {', '.join(_FILES)}.",
            field="model",
        ) from None
