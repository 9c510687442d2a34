"""Checkpoints that survive anything: written whole, verified when read, pruned.

>>> from dllab_hub.runtime.checkpoint import Checkpointer  # doctest: +SKIP
>>> state = Checkpointer(model=model, optimizer=optimizer)  # doctest: +SKIP
>>> for step in range(state.restore() + 1, steps + 1):  # doctest: +SKIP
...     train_one_step()
...     state.step(step)

Every rank of a training calls all of this; only rank 0 writes. It works without a lab too:
``checkpoints/`` then, every 100 steps. How the files lie on disk: see `folder`. For models that are
sharded over the ranks see `sharded`, for TensorFlow `tensorflow`, for trainers that save by
themselves `resume`.

JAX, and anything else, saves through two callables:

>>> def save(path):
...     with open(path, "wb") as file:
...         numpy.savez(file, **state.params)
>>> def load(path):
...     state.params = dict(numpy.load(path))
>>> state = Checkpointer(save=save, load=load)  # doctest: +SKIP
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .folder import NO_ROOM, DamagedCheckpoint, Folder, disk_error, full, manifest, verify
from .termination import TERMINATED, Termination

__all__ = ("Checkpointer", "DamagedCheckpoint", "latest", "load")

#: ``state_dict()`` of every named object, in one file.
TORCH_FILE = "state.pt"
#: What the ``save`` callable is given: a file, a directory or the start of names, as it likes.
_OWN_FILE = "state"
_SHARDED = frozenset({"FSDPModule", "FullyShardedDataParallel"})


class Checkpointer:
    """Saves and restores the state of a training.

    SIGTERM (a cancel, or the machine going down) is answered at the next `step`: rank 0 saves and
    exits with code 143; the other ranks go on, so that the step that rank 0 is in can complete.

    Args:
        every: Steps between two saves; ``DLLAB_CHECKPOINT_EVERY`` by default.
        dir: Where; ``DLLAB_CHECKPOINT_DIR`` by default.
        keep: How many to keep.
        save: Called with a path inside an empty directory: for anything that is not PyTorch. It may
            make a file or a directory of that name, or files whose names start with it.
        load: Called with the same path when there is something to restore.
        state: Objects with ``state_dict()`` and ``load_state_dict()``, by name: modules (also
            wrapped in ``DistributedDataParallel``), optimizers, schedulers.

    Attributes:
        extra: JSON values that were saved with the checkpoint that was restored.

    Raises:
        TypeError: an object cannot be saved this way.
        OSError: nothing can be written there; the text says why.
    """

    def __init__(
        self,
        *,
        every: int | None = None,
        dir: str | os.PathLike[str] | None = None,
        keep: int = 3,
        save: Callable[[str], object] | None = None,
        load: Callable[[str], object] | None = None,
        **state: Any,
    ) -> None:
        if (save is None) != (load is None):
            raise TypeError("save and load belong together: give both")
        if not state and save is None:
            raise TypeError("nothing to save: name objects (model=model), or give save and load")
        if keep < 1:
            raise ValueError("keep must be at least 1")
        self._every = every or int(os.environ.get("DLLAB_CHECKPOINT_EVERY", "100"))
        self._folder = Folder(Path(dir or os.environ.get("DLLAB_CHECKPOINT_DIR", "checkpoints")))
        self._keep = keep
        self._save, self._load = save, load
        self._state = {name: _unwrapped(name, value) for name, value in state.items()}
        self._writes = self._is_writer()
        self.extra: dict[str, Any] = {}
        if self._writes:
            self._folder.check()
        self._termination = Termination()
        if not self._termination.heard:
            self._say("SIGTERM will not save: the Checkpointer was not made in the main thread.")

    def restore(self) -> int:
        """Load the newest verified checkpoint into the objects.

        A damaged one is named on standard error and set aside, and the one before is used.

        Returns:
            Its step, or 0 when there is none.

        Raises:
            KeyError: it lacks an object.
            ValueError: it is a `ShardedCheckpointer`'s.
        """
        for path in self._folder.whole():
            try:
                about = verify(path)
            except DamagedCheckpoint as exc:
                self._say(f"damaged checkpoint {exc}; using the one before.")
                if self._writes:
                    self._folder.set_aside(path)
                continue
            if about.get("format", "dllab") != "dllab":
                raise ValueError(
                    f"{path.name} was saved by all ranks; dllab_hub.runtime.sharded restores it"
                )
            if self._state:
                saved = read_torch(path)
                for name, value in self._state.items():
                    if name not in saved:
                        raise KeyError(f"{path.name} has no {name}; it has {', '.join(saved)}")
                    value.load_state_dict(saved[name])
            if self._load is not None:
                self._load(str(path / _OWN_FILE))
            self.extra = about["extra"]
            self._say(f"resumed from step {about['step']}.")
            return int(about["step"])
        return 0

    def step(self, step: int, **extra: Any) -> None:
        """Call this after every step: saves when it is time, or when the program is to end.

        On a full disk training goes on without this save, and says so: a relaunch would only meet
        the same disk, with less progress.

        Args:
            step: Steps done.
            extra: JSON values to save with it, such as the epoch.

        Raises:
            SystemExit: with code 143, on rank 0 after SIGTERM.
            OSError: the checkpoint cannot be written, and not because the disk is full.
        """
        ending = self._ending()
        if not (ending or step % self._every == 0):
            return
        try:
            self.save(step, **extra)
        except OSError as exc:
            if exc.errno not in NO_ROOM:
                raise
            self._say(f"step {step} was NOT saved: {exc}. The last checkpoint is still there.")
        if ending and self._ends:
            raise SystemExit(TERMINATED)

    def save(self, step: int, **extra: Any) -> Path | None:
        """Save now, then remove all but the newest ``keep``.

        When the disk is full, older checkpoints make room, all but the newest.

        Returns:
            The checkpoint; None on other ranks than 0.

        Raises:
            OSError: it could not be written; the checkpoints before are untouched.
        """
        if not self._writes:
            self._assist()
            return None
        try:
            path = self._folder.write(step, extra, self._fill)
        except OSError as exc:
            if exc.errno not in NO_ROOM:
                raise
            self._folder.prune(1)
            try:
                path = self._folder.write(step, extra, self._fill)
            except OSError as again:
                raise full(again, self._folder.path) from again
        self._folder.prune(self._keep)
        return path

    def _fill(self, directory: Path) -> None:
        if self._state:
            state = {name: value.state_dict() for name, value in self._state.items()}
            write_torch(state, directory)
        if self._save is not None:
            self._save(str(directory / _OWN_FILE))

    def _assist(self) -> None:
        """What a process that does not write has to do while another one saves."""

    @property
    def _ends(self) -> bool:
        """Whether this process ends after the save that SIGTERM asked for."""
        return self._writes

    def _is_writer(self) -> bool:
        return os.environ.get("RANK", "0") == "0"

    def _ending(self) -> bool:
        """Whether this step is the last one."""
        return self._termination.asked

    def _say(self, text: str) -> None:
        if self._writes:
            print(f"dllab: {text}", file=sys.stderr, flush=True)


def latest(dir: str | os.PathLike[str]) -> Path | None:
    """The newest whole checkpoint below a directory, or None."""
    return next(iter(Folder(Path(dir)).whole()), None)


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The state of a checkpoint, verified: ``state_dict`` by name, tensors on the CPU.

    >>> model.load_state_dict(load(latest("checkpoints"))["model"])  # doctest: +SKIP

    Raises:
        DamagedCheckpoint: it is not what was written, or holds no PyTorch state.
    """
    path = Path(path)
    if TORCH_FILE not in manifest(path)["files"]:
        raise DamagedCheckpoint(f"{path.name} holds no {TORCH_FILE}")
    verify(path)
    return read_torch(path)


def write_torch(state: dict[str, Any], directory: Path) -> None:
    """Write ``state.pt`` into a directory.

    Raises:
        OSError: it could not be written.
    """
    import torch

    # Through a file of our own: torch's own writer turns a full disk into a RuntimeError.
    with (directory / TORCH_FILE).open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as exc:
            raise disk_error(exc, directory) from exc


def read_torch(path: Path) -> dict[str, Any]:
    """What `write_torch` wrote, tensors on the CPU."""
    import torch

    state = torch.load(path / TORCH_FILE, map_location="cpu", weights_only=True)
    assert isinstance(state, dict)
    return state


def _unwrapped(name: str, value: Any) -> Any:
    """The object whose state counts: the same on one process and on many."""
    while True:
        kinds = {
            kind.__name__ for kind in type(value).__mro__ if kind.__module__.startswith("torch")
        }
        if "DistributedDataParallel" in kinds:
            value = value.module
        elif "OptimizedModule" in kinds:  # torch.compile
            value = value._orig_mod
        else:
            break
    for method in ("state_dict", "load_state_dict"):
        if not callable(getattr(value, method, None)):
            raise TypeError(f"{name} has no {method}(); for other objects give save and load")
    parts = value.modules() if "Module" in kinds else ()
    if any(_SHARDED & {kind.__name__ for kind in type(part).__mro__} for part in parts):
        raise TypeError(
            f"{name} is sharded over the ranks and one rank cannot save it; "
            "use dllab_hub.runtime.sharded.ShardedCheckpointer"
        )
    return value
