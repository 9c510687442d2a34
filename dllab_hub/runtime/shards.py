"""`Shards`: the state of a training in a directory of `torch.distributed.checkpoint`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .checkpoint import read_torch, write_torch
from .folder import disk_error
from .ranks import Ranks

__all__ = ("Shards",)


class Shards:
    """What is saved: modules and optimizers by shards, everything else once.

    Args:
        state: All of it, by name.

    Raises:
        TypeError: an object cannot be saved this way.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        import torch

        if not state:
            raise TypeError("nothing to save: name objects (model=model)")
        self._modules = {k: v for k, v in state.items() if isinstance(v, torch.nn.Module)}
        self._optimizers = {
            name: (self._module_of(name, value), value)
            for name, value in state.items()
            if isinstance(value, torch.optim.Optimizer)
        }
        self._others = {
            name: value
            for name, value in state.items()
            if name not in self._modules and name not in self._optimizers
        }
        for name, value in self._others.items():
            for method in ("state_dict", "load_state_dict"):
                if not callable(getattr(value, method, None)):
                    raise TypeError(f"{name} has no {method}()")
        if not self._modules:
            raise TypeError("no module to save by shards; use dllab_hub.runtime.checkpoint")

    def _module_of(self, name: str, optimizer: Any) -> Any:
        """The module whose parameters an optimizer moves: their names are its state's names."""
        moved = {id(one) for group in optimizer.param_groups for one in group["params"]}
        for module in self._modules.values():
            if moved <= {id(one) for one in module.parameters()}:
                return module
        raise TypeError(
            f"{name} moves parameters that are in no module given here; name the module too, and "
            "make the optimizer after the model is wrapped"
        )

    def _now(self) -> dict[str, Any]:
        from torch.distributed.checkpoint.state_dict import (
            get_model_state_dict,
            get_optimizer_state_dict,
        )

        state = {name: get_model_state_dict(module) for name, module in self._modules.items()}
        for name, (module, optimizer) in self._optimizers.items():
            state[name] = get_optimizer_state_dict(module, optimizer)
        return state

    def save(self, directory: Path, ranks: Ranks) -> None:
        """Write this rank's part.

        Raises:
            OSError: the disk said so, on this rank or on another.
        """
        from torch.distributed import checkpoint as dcp

        if self._others:
            others = {name: value.state_dict() for name, value in self._others.items()}
            ranks.on_first(lambda: write_torch(others, directory))
        # Step by step: where one rank failed alone, the others would wait for it inside of DCP.
        state = ranks.together(self._now)
        writer = dcp.FileSystemWriter(directory, sync_files=False)  # `described` does that.
        ranks.together(
            lambda: _disk_error_as_itself(
                lambda: dcp.save(state, storage_writer=writer, process_group=ranks.group), directory
            )
        )

    def load(self, directory: Path, ranks: Ranks) -> None:
        """Fill the objects with what `save` wrote, on any number of ranks."""
        from torch.distributed import checkpoint as dcp
        from torch.distributed.checkpoint.state_dict import (
            set_model_state_dict,
            set_optimizer_state_dict,
        )

        state = ranks.together(self._now)
        _disk_error_as_itself(
            lambda: dcp.load(state, checkpoint_id=directory, process_group=ranks.group), directory
        )
        for name, module in self._modules.items():
            set_model_state_dict(module, state[name])
        for name, (module, optimizer) in self._optimizers.items():
            set_optimizer_state_dict(module, optimizer, state[name])
        if self._others:
            saved = read_torch(directory)
            for name, value in self._others.items():
                if name not in saved:
                    raise KeyError(f"{directory.name} has no {name}; it has {', '.join(saved)}")
                value.load_state_dict(saved[name])


def _disk_error_as_itself(call: Callable[[], object], directory: Path) -> None:
    """DCP raises on all ranks what one of them met, in a wrapper of its own, which is no Exception.

    Raises:
        OSError: that was it. Else the first rank's error.
    """
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        with warnings.catch_warnings():
            # One process without a process group is meant to be that.
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            call()
    except CheckpointException as exc:
        first = next(iter(exc.failures.values()))[0]
        raise disk_error(first, directory) from exc
