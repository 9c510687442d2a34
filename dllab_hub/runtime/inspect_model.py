"""Look into a model: ``python -m dllab_hub.runtime.inspect_model FILE [EXAMPLE]``.

Prints one JSON object: what the model takes and gives and the example that came with it, or why it
cannot be served. A program of its own: a file that crashes its framework crashes nobody else.
``EXAMPLE`` is the file of a request that came beside the model, or ``-``; it must be one that fits.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .example import rows_text
from .loading import load
from .model import BadRequest, Model, Unservable
from .v1 import V1
from .v2 import V2

__all__ = ("main",)


def main(argv: Sequence[str]) -> int:
    """0 for a model that can be served, 1 for any other file, 2 for a wrong call."""
    if len(argv) not in (1, 2):
        print("usage: python -m dllab_hub.runtime.inspect_model FILE [EXAMPLE]", file=sys.stderr)
        return 2
    given = ""
    if len(argv) == 2:
        given = sys.stdin.read() if argv[1] == "-" else Path(argv[1]).read_text()
    try:
        with _aside():
            model = load(Path(argv[0]), example=given)
            example = _checked(model, given) if given else _example(model)
    except Unservable as exc:
        print(json.dumps({"error": str(exc)}))
        return 1
    answer = {
        "inputs": [tensor.to_wire() for tensor in model.inputs],
        "outputs": [tensor.to_wire() for tensor in model.outputs],
        "example": example,
    }
    print(json.dumps(answer))
    return 0


@contextlib.contextmanager
def _aside() -> Iterator[None]:
    """What a framework, or the file itself, prints on its way is no part of the answer."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)  # Programs that it starts, and C, know nothing of Python's own names.
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _example(model: Model) -> str:
    """The example that came in the file, when it is a request that fits the model."""
    try:
        return _checked(model, model.example)
    except Unservable:
        return ""


def _checked(model: Model, example: str) -> str:
    """An example as a V1 request where that can say it, as it came otherwise.

    Raises:
        Unservable: it is no request that fits the model.
    """
    one, two = V1(model), V2(model, "model", "1")
    said = ""
    for dialect in (one, two):
        try:
            question = dialect.read(example.encode())
        except BadRequest as exc:
            said = said or str(exc)
            continue
        if dialect is one and not question.columns:
            return example
        # Forms are made of V1 requests.
        columns = {name: array.tolist() for name, array in question.arrays.items()}
        return rows_text(columns) or example
    raise Unservable(f"the example does not fit the model: {said}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
