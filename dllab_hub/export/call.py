"""`Call`: what a module is called with, and what it answers, by name."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidRequest

__all__ = ("Call", "asked", "call_of", "example_text", "first_line", "named")

#: A larger example is not worth a page's while.
_MOST_EXAMPLE = 64 * 1024


@dataclass(frozen=True)
class Call:
    """What the module is called with: tensors by position, or by name where ``by_name``."""

    tensors: dict[str, Any]
    by_name: bool

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(next(iter(self.tensors.values())).shape[0])

    def first(self, count: int) -> Call:
        """The first so many rows of it."""
        return Call({name: t[:count] for name, t in self.tensors.items()}, self.by_name)

    def twice(self) -> Call:
        """All rows, and all rows again."""
        return Call(
            {name: t.repeat(2, *[1] * (t.ndim - 1)) for name, t in self.tensors.items()},
            self.by_name,
        )

    def of(self, module: Any) -> Any:
        """What the module answers."""
        if self.by_name:
            return module(**self.tensors)
        return module(*self.tensors.values())


def call_of(module: Any, example: Any) -> Call:
    """The example as tensors on the module's device, with the names of the module's inputs."""
    import torch

    own = next(iter([*module.parameters(), *module.buffers()]), torch.empty(0))
    floats = [p.dtype for p in module.parameters() if p.is_floating_point()]

    def tensor(value: Any, name: str) -> Any:
        if not isinstance(value, torch.Tensor):
            try:
                value = torch.as_tensor(value)
            except (TypeError, ValueError, RuntimeError):
                raise _unfit(f"{name} is a {type(value).__name__}, not a tensor.") from None
            if value.is_floating_point():
                value = value.to(floats[0] if floats else torch.float32)
        if not value.ndim or not value.shape[0]:
            raise _unfit(f"{name} must be a batch of at least one row.", "One row is x[:1].")
        if value.layout is not torch.strided:
            raise _unfit(f"{name} is not a dense tensor.", "Use x.to_dense().")
        if value.dtype is torch.bfloat16:
            raise _unfit(f"{name} is bfloat16, which a served model cannot be.", "Use net.float().")
        return value.detach().to(own.device)

    if isinstance(example, Mapping):
        tensors = {str(name): tensor(value, str(name)) for name, value in example.items()}
    else:
        values = example if isinstance(example, tuple) else (example,)
        tensors = {
            name: tensor(value, name)
            for name, value in zip(_names(module, len(values)), values, strict=True)
        }
    if not tensors:
        raise _unfit("there is no input in it.")
    rows = {name: int(value.shape[0]) for name, value in tensors.items()}
    if len(set(rows.values())) > 1:
        said = ", ".join(f"{count} of {name}" for name, count in rows.items())
        raise _unfit(f"every input needs as many rows: there are {said}.")
    return Call(tensors, isinstance(example, Mapping))


def _names(module: Any, count: int) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    names = [parameter.name for parameter in parameters if parameter.kind in kinds]
    return (names + [f"input_{number}" for number in range(len(names), count)])[:count]


def asked(module: Any, call: Call) -> Any:
    try:
        return call.of(module)
    except Exception as exc:  # Whatever somebody else's code raises: it does not fit.
        raise _unfit(f"the module does not take it: {first_line(exc)}") from None


def named(answer: Any, call: Call) -> dict[str, Any]:
    """The tensors that a module gave, by name; none is called like an input."""
    import torch

    if isinstance(answer, torch.Tensor):
        found = {"output": answer}
    elif isinstance(answer, Mapping):
        found = {str(name): value for name, value in answer.items() if value is not None}
    elif isinstance(answer, tuple | list):
        found = {f"output_{number}": value for number, value in enumerate(answer)}
    else:
        found = {}
    if not found or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InvalidRequest(
            "the module must return a tensor, or a tuple or dict of tensors.",
            hint="Wrap it in a module whose forward picks what is to be served.",
        )
    if wave := next((name for name, value in found.items() if value.is_complex()), None):
        raise InvalidRequest(
            f"{wave} is complex, which a served model cannot answer.",
            hint="Let forward return torch.view_as_real of it.",
        )
    return {f"{n}_out" if n in call.tensors else n: value for n, value in found.items()}


def example_text(call: Call) -> str:
    """A V1 request about these rows as JSON, or nothing when JSON or a page cannot hold it."""
    columns = {name: tensor.cpu().tolist() for name, tensor in call.tensors.items()}
    if len(columns) == 1:
        (rows,) = columns.values()
    else:
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    try:
        text = json.dumps({"instances": rows}, allow_nan=False)
    except (ValueError, TypeError):
        return ""
    return text if len(text) <= _MOST_EXAMPLE else ""


def _unfit(message: str, hint: str = "") -> InvalidRequest:
    return InvalidRequest(message, hint=hint, field="example")


def first_line(exc: BaseException) -> str:
    """The first line of what somebody else's exception says."""
    said = str(exc).strip().partition("\n")[0][:300].rstrip(".") or "no more is said"
    kind = type(exc).__name__
    # Those are what frameworks raise for nearly everything; any other name says something.
    return f"{said}." if kind in ("RuntimeError", "TypeError", "ValueError") else f"{kind}: {said}."
