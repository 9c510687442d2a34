"""Commands about published models: models, publish, download."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path

from ..client import Client
from ..deploying import model_file, versions_of
from ..errors import InvalidRequest, NotFound
from ..job import find_job
from ..specs import ModelVersion, TrainingJob
from ..submission import Words, valid_name, whole
from ..tables import model_text, models_text
from .jobs import show
from .models import read_json

__all__ = ("add", "download", "models", "publish")

#: Ends of the names of files that are downloaded; a SavedModel comes as an archive.
_ENDS = {
    **{"onnx": ".onnx", "torch-export": ".pt2", "torchscript": ".pt", "savedmodel": ".zip"},
    **{"pickle": ".pkl", "torch-pickle": ".pth"},
}
#: Files of a training that are named when none was chosen.
_NAMED = 5


def add(command: Callable[..., Words]) -> None:
    """The commands and their options.

    Args:
        command: Makes one of a name, of what it does and of its help.
    """
    listed = command("models", models, "list your published models, newest version first")
    listed.add_argument("name", metavar="NAME", nargs="?", help="only this one")
    listed.add_argument("--json", action="store_true")

    made = command("publish", publish, "keep a file as the next version of a model")
    made.add_argument("name", type=valid_name, metavar="NAME", help="of the model; may be new")
    made.add_argument(
        "path", metavar="PATH", nargs="?", help="a file here, on the volume, or of the job"
    )
    where = made.add_mutually_exclusive_group()
    where.add_argument("--volume", metavar="V", help="PATH is of this data volume")
    where.add_argument("--job", metavar="ID", help="PATH is of this job; else its only model")
    made.add_argument("--step", type=whole(0), metavar="N", help="of the job's checkpoint")
    made.add_argument("--metric", type=_metric, action="append", default=[], metavar="NAME=NUMBER",
                      help="what was measured of it; once for each")  # fmt: skip
    made.add_argument(
        "--example", metavar="FILE.json", help="a request that it answers; - is stdin"
    )
    made.add_argument("--json", action="store_true")

    got = command("download", download, "write a version of a model to a file")
    got.add_argument("name", metavar="NAME", help="of the model")
    got.add_argument("version", type=whole(1), metavar="VERSION", nargs="?", help="newest if not")
    got.add_argument("-o", "--output", metavar="FILE", help="or a directory that is there")
    got.add_argument(
        "--packed", action="store_true", help="for devices: an archive with a manifest"
    )
    got.add_argument("--force", action="store_true", help="in the place of a file that is there")
    got.add_argument("--json", action="store_true")


def models(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab models``."""
    versions = versions_of(Client(), options.name)
    if options.json:
        print(json.dumps([one.to_wire() for one in versions], indent=2))
    else:
        print(models_text(versions))
    return 0


def publish(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab publish digits --job train-bcdfghj best.onnx --metric accuracy=0.98``."""
    client = Client()
    show(options, made := _published(client, options), f"published {model_text(made)}")
    return 0


def download(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab download digits 3 -o digits.onnx``."""
    client = Client()
    about = _version(client, options.name, options.version)
    end = ".zip" if options.packed else _ENDS[about.format]
    target = Path(options.output or ".")
    if target.is_dir():
        target /= f"{about.model}-{about.version}{end}"
    if target.exists() and not options.force:
        raise InvalidRequest(
            f"{target} is there already.", hint="Add --force to replace it, or name another: -o."
        )
    client.download(
        about.model, about.version, target, packed=options.packed, replace=options.force
    )
    show(options, about, f"{about.model}:{about.version} is in {target}")
    return 0


def _published(client: Client, options: argparse.Namespace) -> ModelVersion:
    if options.step is not None and options.job is None:
        raise InvalidRequest("is of a training: say --job ID.", field="--step")
    if options.path is None and options.job is None:
        raise InvalidRequest("PATH is missing.", hint="Or say --job ID.")
    metrics, example = dict(options.metric), _example(options.example)
    if options.volume is None and options.job is None:
        return client.publish(options.name, options.path, metrics=metrics, example=example)
    path, job = options.path, ""
    if options.job is not None:
        found = find_job(client, options.job)
        path, job = path or _of_job(client, found, options.step), found.id
    return client.publish_from(
        options.name,
        path,
        volume=options.volume or "",
        job=job,
        step=options.step,
        metrics=metrics,
        example=example,
    )


def _of_job(client: Client, job: TrainingJob, step: int | None) -> str:
    """The checkpoint of a step, or the only model that a training has left."""
    if step is not None:
        there = client.checkpoints(job.id)
        for each in there:
            if each.step == step:
                _, _, inside = each.path.rpartition("/checkpoints/")
                return f"checkpoints/{inside}"
        steps = ", ".join(str(each.step) for each in there[:_NAMED])
        raise InvalidRequest(
            f"{job.id} has no checkpoint of this step.",
            hint=f"It has {steps}." if steps else "It has none.",
            field="--step",
        )
    left = [one.path for one in client.record(job.id).artefacts if model_file(one.path) is not None]
    if len(left) != 1:
        said = (
            "no file that looks like a model" if not left else f"{len(left)} files that may be one"
        )
        raise InvalidRequest(
            f"{job.id} has left {said}.",
            hint=f"Name one: {', '.join(left[:_NAMED])}." if left else "Name its file: PATH.",
            field="PATH",
        )
    return left[0]


def _version(client: Client, model: str, version: int | None) -> ModelVersion:
    """Of a model, or its newest."""
    there = client.versions(model)
    for one in there:
        if version in (None, one.version):
            return one
    numbers = ", ".join(str(one.version) for one in there[:_NAMED])
    raise NotFound(f"{model} has no version {version}.", hint=f"It has {numbers}.")


def _metric(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not name or not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"must be such as accuracy=0.98, not {text[:40]!r}")
    return name, number


def _example(file: str | None) -> str:
    """A request, as JSON text."""
    if file is None:
        return ""
    example = read_json(file)
    rows = isinstance(example, list)  # As `predict` takes them.
    return json.dumps({"instances": example} if rows else example)
