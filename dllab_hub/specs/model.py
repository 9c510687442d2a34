"""A model and its versions: what is published, and what it was made from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .wire import Name, Value

__all__ = (
    "MAX_METRICS",
    "Model",
    "ModelFacts",
    "ModelFormat",
    "ModelPage",
    "ModelSource",
    "ModelVersion",
    "Tensor",
)

#: Most numbers that are kept of one version.
MAX_METRICS = 50
#: How a model is written down.
ModelFormat = Literal["onnx", "torch-export", "torchscript", "savedmodel", "pickle", "torch-pickle"]


class Tensor(Value):
    """One input or output of a model.

    Attributes:
        name: As in the model.
        datatype: As the Open Inference Protocol (V2) calls it, such as ``FP32`` or ``INT64``.
        shape: Size of each axis; None where any size fits, as for a batch.
    """

    name: str
    datatype: str
    shape: tuple[int | None, ...] = ()


class ModelSource(Value):
    """What a version was made from.

    Attributes:
        kind: ``file``: a file of the person's lab; ``volume``: one of a data volume; ``job``: a
            checkpoint or another file of a training; ``notebook``: an object of a notebook.
        path: Of the file, from the root of the lab's files, the volume or the job's workspace.
        volume: Name of the volume.
        job: Id of the training.
        step: Of the checkpoint.
    """

    kind: Literal["file", "volume", "job", "notebook"]
    path: str = Field(default="", max_length=1000)
    volume: str = ""
    job: str = ""
    step: int | None = Field(default=None, ge=0)


class ModelFacts(Value):
    """What is said of a file that is published; all of it goes into the version's record.

    Attributes:
        publisher: Who publishes it; empty: its owner.
        source: What it was made from, or None when only its file came.
        metrics: What its maker measured of it, by name.
        example: JSON text of a request that it answers. A TorchScript file needs one that lies
            beside it or in it; others bring their own, or do without.
    """

    publisher: str = Field(default="", max_length=255)
    source: ModelSource | None = None
    metrics: dict[Annotated[str, Field(min_length=1, max_length=100)], float] = Field(
        default_factory=dict, max_length=MAX_METRICS
    )
    example: str = Field(default="", max_length=65536)


class ModelVersion(Value):
    """One version of a model; it never changes.

    Attributes:
        model: Name of the model.
        version: From 1, without gaps.
        format: Of its file or directory: ``onnx``, ``torch-export`` (a ``.pt2``), ``torchscript``
            or ``savedmodel``; ``pickle`` (a scikit-learn estimator) or ``torch-pickle`` (a whole
            module) where the administrator allows them.
        inputs: What it takes.
        outputs: What it gives.
        size: Bytes.
        sha256: Of the file, 64 hexadecimal digits.
        example: JSON text of a V1 request that it answers, or empty when none came with it.
        created: Seconds since the epoch.
        publisher: Who published it; empty where that was not noted yet.
        source: What it was made from, or None when only its file came.
        metrics: What its maker measured of it, by name.
        warning: What is to be known before it is served; empty where nothing is.
    """

    model: Name
    version: int = Field(ge=1)
    format: ModelFormat = "onnx"
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    size: int
    sha256: str
    example: str = ""
    created: float
    publisher: str = ""
    source: ModelSource | None = None
    metrics: dict[str, float] = Field(default_factory=dict, max_length=MAX_METRICS)
    warning: str = ""


class Model(Value):
    """A model and its versions, newest first."""

    name: Name
    owner: str
    versions: tuple[ModelVersion, ...]


class ModelPage(Value):
    """Some models by name, and where the next page begins, or None."""

    models: tuple[Model, ...]
    next: str | None = None
