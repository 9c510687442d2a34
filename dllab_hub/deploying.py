"""`deploy_file`, `deploy_model`: from what somebody names to what is served; `versions_of`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from .deployed import Deployed
from .errors import InvalidRequest
from .names import check_name
from .specs import Autoscale, DeploymentSpec, EachReplica, ModelSource, ModelVersion

if TYPE_CHECKING:
    from .client import Client

__all__ = ("deploy_file", "deploy_model", "model_file", "versions_of")

#: Ends of the names of files that are published: ONNX, PyTorch's two, a SavedModel in an archive;
#: and pickles, where the administrator allows them.
_FILES = (".onnx", ".pt2", ".pt", ".zip", ".tar", ".tar.gz", ".tgz", ".pkl", ".joblib", ".pth")


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
    **each: Unpack[EachReplica],
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
        each: What each replica gets.
    """
    # First, so that a wish that cannot be leaves no version behind.
    wish = DeploymentSpec(name=name, model=name, replicas=replicas, autoscale=autoscale, **each)
    made = client.publish(name, file, example=example, source=source)
    return Deployed(client, client.deploy(wish.model_copy(update={"version": made.version})))


def deploy_model(
    client: Client,
    word: str,
    name: str | None,
    replicas: int,
    autoscale: Autoscale | None = None,
    **each: Unpack[EachReplica],
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
        name=name or model,
        model=model,
        version=version,
        replicas=replicas,
        autoscale=autoscale,
        **each,
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


def versions_of(client: Client, model: str | None = None) -> list[ModelVersion]:
    """What can be served: versions of a model, or of all that are published, newest first of each.

    Raises:
        NotFound: there is no such model.
    """
    if model is not None:
        return list(client.versions(model))
    found: list[ModelVersion] = []
    after: str | None = None
    while True:
        page = client.models(limit=500, after=after)
        found += (version for each in page.models for version in each.versions)
        after = page.next
        if after is None:
            return found
