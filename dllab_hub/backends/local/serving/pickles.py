"""`Pickles`: whether models may be pickles, as the administrator says, and what is said of them.

In ``catalog.toml``; without it none is taken::

    [serving]
    pickles = true

A pickle is a program: whoever loads it runs what its maker has put into it. The service itself
never does, whatever is set here. Its owner's replicas do, as does the process in which a model is
looked into when it is published: as the owner's account in OS-user mode, and in single-user mode as
the one account that there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ....errors import DLLabError, InvalidRequest
from ....settings import only, read
from ....specs import ModelFormat
from ....specs.wire import Value
from ....state import StateDir

__all__ = ("PICKLES", "Pickles", "warning_of")

#: Formats that are pickles.
PICKLES: frozenset[ModelFormat] = frozenset({"pickle", "torch-pickle"})
_WARNING = (
    "The model is a pickle: whatever code its maker has put into it runs in each replica, as the "
    "owner of the deployment."
)
_REFUSAL = (
    "is a pickle: to load it is to run whatever code its maker has put into it, and this lab "
    "takes none."
)
_HINT = (
    "Use ONNX or torch.export: %deploy makes ONNX of a scikit-learn estimator or a network by "
    "itself. The administrator can allow pickles: [serving] pickles = true."
)


class _Serving(Value):
    """The table ``serving``."""

    pickles: bool = False


class Pickles:
    """May be asked by any thread; what the administrator changes counts at once.

    Args:
        state: Where the settings lie; None: no pickle is taken.
        settings: Reads them from ``catalog.toml``.
    """

    def __init__(
        self,
        state: StateDir | None = None,
        settings: Callable[[Path], Mapping[str, Any]] = read,
    ) -> None:
        self._state = state
        self._settings = settings

    def check(self, format: ModelFormat, field: str) -> None:
        """Nothing where a model of this format may be published and deployed. Blocks.

        Args:
            format: Of the model.
            field: What of a wish it is.

        Raises:
            InvalidRequest: it is a pickle, and the administrator has not allowed them.
            DLLabError: the settings are wrong; the message names the key.
        """
        if format in PICKLES and not self._allowed():
            raise InvalidRequest(_REFUSAL, hint=_HINT, field=field)

    def _allowed(self) -> bool:
        if self._state is None:
            return False
        path = self._state.root / "catalog.toml"
        table: Any = self._settings(path).get("serving", {})
        try:
            # Where models are served on a cluster is another's to read.
            only({*_Serving.model_fields, "cluster"}, table, "serving")
            known = {key: table[key] for key in table if key != "cluster"}
            return _Serving.from_wire(known).pickles
        except InvalidRequest as exc:
            field = exc.field if exc.field.startswith("serving") else f"serving.{exc.field}"
            said = InvalidRequest(exc.message, hint=exc.hint, field=field)
            raise DLLabError(
                f"{path} is wrong: {said}",
                hint="The administrator can fix it. No pickle is taken until then.",
            ) from exc


def warning_of(format: ModelFormat) -> str:
    """What is to be known of a model of this format; empty where nothing is."""
    return _WARNING if format in PICKLES else ""
