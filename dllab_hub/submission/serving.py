"""Options of deployments and canaries, the same in the terminal and in a notebook."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

from ..errors import InvalidRequest
from ..specs import (
    MAX_REPLICA_CPUS,
    MAX_REPLICA_GPUS,
    MAX_REPLICAS,
    Autoscale,
    Batch,
    Canary,
    EachReplica,
)
from .words import amount, seconds, whole

__all__ = (
    "add_autoscale",
    "add_canary",
    "add_each",
    "autoscale_of",
    "canary_of",
    "each_of",
    "replicas_of",
)

_BOUNDS = ("min", "max", "signal", "target", "idle")
_CANARY = ("version", "percent", "replicas", "max_errors", "max_slowdown")


def add_autoscale(parser: argparse.ArgumentParser) -> None:
    """``--replicas``, and the options of an `Autoscale`."""
    add = parser.add_argument
    count, none = whole(1, MAX_REPLICAS), whole(0, MAX_REPLICAS)
    add("--replicas", type=count, metavar="N", help="processes that serve it (default 1)")
    add("--max", type=count, metavar="N", help="have their number follow the load; most of them")
    add("--min", type=none, metavar="N", help="fewest (default 1); 0: none while nobody asks")
    add("--signal", choices=("inflight", "gpu"), help="what is load: requests, or their GPUs' time")
    add("--target", type=amount, metavar="X", help="requests for each, or share of its GPU's time")
    add("--idle", type=seconds, metavar="10m", help="with --min 0: until all end if nobody asks")


def autoscale_of(options: argparse.Namespace) -> Autoscale | None:
    """What the options say; None: nothing.

    Raises:
        InvalidRequest: ``--max`` is missing beside another one, or they do not go together.
    """
    said = {name: getattr(options, name) for name in _BOUNDS}
    said = {name: value for name, value in said.items() if value is not None}
    if not said:
        return None
    if "max" not in said:
        raise InvalidRequest(f"is needed with --{next(iter(said))}.", field="--max")
    try:
        return Autoscale(**said)
    except InvalidRequest as exc:
        raise InvalidRequest(exc.message, hint=exc.hint, field=f"--{exc.field}") from None


def replicas_of(options: argparse.Namespace) -> int:
    """How many replicas there are to be, at first."""
    return options.replicas or max(1, options.min or 1)


def add_each(parser: argparse.ArgumentParser) -> None:
    """What each replica gets, and whether it computes requests together."""
    add = parser.add_argument
    gpus, cpus = whole(0, MAX_REPLICA_GPUS), whole(1, MAX_REPLICA_CPUS)
    add("--gpus", type=gpus, default=0, metavar="N", help="GPUs of each process (default 0)")
    add("--cpus", type=cpus, metavar="N", help="threads that compute one request (default 1)")
    add("--batch", type=whole(2, 1024), metavar="N", help="compute requests together, up to N rows")
    add("--batch-wait", type=_moment, metavar="5ms", help="that a request waits for others at most")


def each_of(options: argparse.Namespace) -> EachReplica:
    """What the options say, as fields of a `DeploymentSpec`.

    Raises:
        InvalidRequest: ``--batch-wait`` is there without ``--batch``.
    """
    wait: dict[str, float] = {} if options.batch_wait is None else {"wait": options.batch_wait}
    if wait and options.batch is None:
        raise InvalidRequest("is needed with --batch-wait.", field="--batch")
    batch = None if options.batch is None else Batch(size=options.batch, **wait)
    return EachReplica(gpus=options.gpus, cpus=options.cpus, batch=batch)


def add_canary(parser: argparse.ArgumentParser) -> None:
    """The version and the options of a `Canary`; those that are not typed are not there."""
    parser.argument_default = argparse.SUPPRESS
    add = parser.add_argument
    add("version", type=whole(1), metavar="VERSION", help="of the same model")
    add("--percent", type=whole(0, 99), metavar="P", help="of the requests (default 10)")
    add("--replicas", type=whole(1, MAX_REPLICAS), metavar="N", help="that serve it (default 1)")
    add(
        "--max-errors",
        type=_number(0, 1, "a share from 0 to 1"),
        metavar="S",
        help="share of 5xx answers that ends it (default 0.05), or none",
    )
    add(
        "--max-slowdown",
        type=_number(1, 100, "a number from 1 to 100"),
        metavar="X",
        help="times as long as the other version that ends it, or none (default)",
    )


def canary_of(options: argparse.Namespace) -> Canary:
    """What the options say."""
    return Canary(**{name: getattr(options, name) for name in _CANARY if name in options})


def _moment(text: str) -> float:
    """Reads a short time as seconds."""
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(ms|s)", text, re.ASCII)
    number = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 2.0
    if number > 1:
        raise argparse.ArgumentTypeError("must be a time such as 5ms or 0.1s, at most 1s")
    return number


def _number(low: float, high: float, what: str) -> Callable[[str], float | None]:
    """Reads a number, or ``none``."""

    def read(text: str) -> float | None:
        if text == "none":
            return None
        try:
            number = float(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:  # Nor NaN.
            raise argparse.ArgumentTypeError(f"must be {what}, or none")
        return number

    return read
