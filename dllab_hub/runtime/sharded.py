"""Checkpoints of models that are sharded over the ranks, by `torch.distributed.checkpoint`.

>>> from dllab_hub.runtime.sharded import ShardedCheckpointer
>>> fully_shard(model)  # doctest: +SKIP
>>> optimizer = torch.optim.AdamW(model.parameters())  # doctest: +SKIP
>>> state = ShardedCheckpointer(model=model, optimizer=optimizer)  # doctest: +SKIP
>>> for step in range(state.restore() + 1, steps + 1):  # doctest: +SKIP
...     train_one_step()
...     state.step(step)

Every rank calls all of this and writes what it holds. A checkpoint appears when all shards are on
the disk, with the manifest of `folder`. It can be restored on another number of ranks, and by a
model that is wrapped in another way, or not at all: the shards are distributed anew.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import Any

from .checkpoint import TORCH_FILE
from .folder import NO_ROOM, DamagedCheckpoint, Folder, described, full, verify
from .ranks import Ranks
from .shards import Shards
from .termination import TERMINATED, Termination

__all__ = ("ShardedCheckpointer",)


class ShardedCheckpointer:
    """Saves and restores the state of a training that is spread over the ranks.

    Make it when the process group is there and the model is wrapped: ``fully_shard``,
    ``FullyShardedDataParallel``, ``DistributedDataParallel`` or nothing. Without a process group it
    works on one process.

    SIGTERM to any rank (a cancel, a pause, or the machine going down) is agreed on by all: after
    one more step at most, all save the same step together and exit with code 143. The agreement
    goes on beside the computing, and costs a step less than a millisecond.

    Args:
        every: Steps between two saves; ``DLLAB_CHECKPOINT_EVERY`` by default.
        dir: Where; ``DLLAB_CHECKPOINT_DIR`` by default. All ranks see the same directory.
        keep: How many to keep.
        state: Modules and their optimizers, which are saved sharded, and small objects with
            ``state_dict()`` and ``load_state_dict()`` that are alike on all ranks, such as
            schedulers, by name.

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
        **state: Any,
    ) -> None:
        if keep < 1:
            raise ValueError("keep must be at least 1")
        self._shards = Shards(state)
        self._every = every or int(os.environ.get("DLLAB_CHECKPOINT_EVERY", "100"))
        self._folder = Folder(Path(dir or os.environ.get("DLLAB_CHECKPOINT_DIR", "checkpoints")))
        self._keep = keep
        self._ranks = Ranks()
        self.extra: dict[str, Any] = {}
        self._ranks.on_first(self._folder.check)
        self._termination = Termination()
        if not self._termination.heard:
            self._say("SIGTERM will not save: the Checkpointer was not made in the main thread.")

    def restore(self) -> int:
        """Load the newest verified checkpoint into the objects; each rank verifies a part of it.

        A damaged one is named on standard error and set aside, and the one before is used.

        Returns:
            Its step, or 0 when there is none; the same on all ranks.

        Raises:
            KeyError: it lacks an object.
            ValueError: it is a `Checkpointer`'s.
        """
        for path in self._ranks.on_first(self._folder.whole):
            about, trouble = self._verified(path)
            if trouble:
                self._say(f"damaged checkpoint {trouble}; using the one before.")
                self._ranks.on_first(functools.partial(self._folder.set_aside, path))
                continue
            if about.get("format") != "torch-distributed":
                raise ValueError(
                    f"{path.name} was saved by one rank; dllab_hub.runtime.checkpoint restores it"
                )
            self._shards.load(path, self._ranks)
            self.extra = about["extra"]
            self._say(f"resumed from step {about['step']}.")
            return int(about["step"])
        return 0

    def step(self, step: int, **extra: Any) -> None:
        """Call this after every step, on every rank.

        It saves when it is time, or when the program is to end. On a full disk training goes on
        without this save, and says so.

        Args:
            step: Steps done.
            extra: JSON values to save with it; those of rank 0 count.

        Raises:
            SystemExit: with code 143, on all ranks after SIGTERM to one of them.
            OSError: the checkpoint cannot be written, and not because the disk is full.
        """
        ending = self._ranks.any(self._termination.asked)
        if not (ending or step % self._every == 0):
            return
        try:
            self.save(step, **extra)
        except OSError as exc:
            if exc.errno not in NO_ROOM:
                raise
            self._say(f"step {step} was NOT saved: {exc}. The last checkpoint is still there.")
        if ending:
            raise SystemExit(TERMINATED)

    def save(self, step: int, **extra: Any) -> Path:
        """Save now, on every rank, then remove all but the newest ``keep``.

        When the disk is full, older checkpoints make room, all but the newest.

        Returns:
            The checkpoint.

        Raises:
            OSError: a rank could not write, on all ranks; the checkpoints before are untouched.
        """
        try:
            path = self._write(step, extra)
        except OSError as exc:
            if exc.errno not in NO_ROOM:
                raise
            self._ranks.on_first(lambda: self._folder.prune(1))
            try:
                path = self._write(step, extra)
            except OSError as again:
                raise full(again, self._folder.path) from again
        self._ranks.on_first(lambda: self._folder.prune(self._keep))
        return path

    def _write(self, step: int, extra: dict[str, Any]) -> Path:
        ranks = self._ranks
        work = ranks.on_first(lambda: self._folder.begin(step))
        try:
            self._shards.save(work, ranks)
            mine = sorted(work.glob(f"__{ranks.rank}_*.distcp"))
            if ranks.is_first:
                mine += [path for path in (work / ".metadata", work / TORCH_FILE) if path.exists()]
            parts = ranks.gather(ranks.together(lambda: {one.name: described(one) for one in mine}))
            files = {name: about for part in parts for name, about in part.items()}
            return ranks.on_first(
                lambda: self._folder.finish(step, extra, files, format="torch-distributed")
            )
        except OSError:
            ranks.on_first(lambda: self._folder.abandon(step))
            raise

    def _verified(self, path: Path) -> tuple[dict[str, Any], str]:
        """Its manifest, and what is wrong with it on any rank."""
        about, trouble = {}, ""
        try:
            about = verify(path, self._ranks.rank, self._ranks.size)
        except DamagedCheckpoint as exc:
            trouble = str(exc)
        return about, next((one for one in self._ranks.gather(trouble) if one), "")

    def _say(self, text: str) -> None:
        if self._ranks.is_first:
            print(f"dllab: {text}", file=sys.stderr, flush=True)
