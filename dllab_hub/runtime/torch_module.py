"""`PickledModule`: a whole module that ``torch.save(module)`` has written (``.pth``).

The file names the classes of the module and has none of their code: they have to be in the image,
as those of PyTorch itself are. What it takes comes from an example, as for TorchScript.
"""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any

from .model import Unservable
from .torch_script import ScriptModel
from .unpickled import unpickled

__all__ = ("PickledModule",)


class PickledModule(ScriptModel):
    """A `Model` of a module of PyTorch; see `unpickled` for what loading one means."""

    kind = "a pickled module"

    def _load(self, file: Path) -> tuple[Any, str]:
        import torch

        if not file.is_file():
            raise Unservable("there is no such file.")
        # What is loaded here is more than weights, as its owner was told.
        os.environ.pop("TORCH_FORCE_WEIGHTS_ONLY_LOAD", None)
        found = unpickled(lambda: torch.load(file, map_location=self._device, weights_only=False))
        if not isinstance(found, torch.nn.Module):
            raise Unservable(f"it holds a {type(found).__name__}, which is no torch.nn.Module.")
        return found.to(self._device).eval(), ""

    def _arguments(self) -> tuple[list[str], list[str]]:
        try:
            given = inspect.signature(self._module.forward).parameters.values()
        except (TypeError, ValueError):
            raise Unservable("the module has no forward.") from None
        named = [each for each in given if each.kind is each.POSITIONAL_OR_KEYWORD]
        needed = [each.name for each in named if each.default is each.empty]
        return [each.name for each in named], needed
