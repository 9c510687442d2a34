"""Checkpoints for loops written in TensorFlow, on one process or on many.

>>> from dllab_hub.runtime.tensorflow import TensorFlowCheckpointer
>>> state = TensorFlowCheckpointer(model=model, optimizer=optimizer)  # doctest: +SKIP
>>> for step in range(state.restore() + 1, steps + 1):  # doctest: +SKIP
...     train_one_step()
...     state.step(step)

With ``ParameterServerStrategy`` the chief calls this, and each parameter server writes the shards
that it holds. Join what the coordinator has scheduled before a step counts as done. With
``MultiWorkerMirroredStrategy`` every worker calls it, and gives the strategy. `fit` of Keras saves
through its own callbacks; see `resume` for those.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from .checkpoint import Checkpointer

__all__ = ("TensorFlowCheckpointer", "set_tf_config")


class TensorFlowCheckpointer(Checkpointer):
    """A `Checkpointer` of what ``tf.train.Checkpoint`` can track.

    The chief decides, writes the manifest and prunes; without one that is worker 0, and without
    ``TF_CONFIG`` the process itself. On SIGTERM the chief saves and exits with code 143; under
    ``MultiWorkerMirroredStrategy`` all workers do, at the same step; to agree on it costs them one
    small all-reduce, some milliseconds, in every step.

    Args:
        every: Steps between two saves; ``DLLAB_CHECKPOINT_EVERY`` by default.
        dir: Where; ``DLLAB_CHECKPOINT_DIR`` by default.
        keep: How many to keep.
        strategy: A ``MultiWorkerMirroredStrategy``: its workers must write together. No other needs
            to be named.
        objects: Models, optimizers, variables, by name.

    Raises:
        TypeError: there is nothing to save.
        ValueError: an object cannot be tracked.
        OSError: nothing can be written there; the text says why.
    """

    def __init__(
        self,
        *,
        every: int | None = None,
        dir: str | os.PathLike[str] | None = None,
        keep: int = 3,
        strategy: Any = None,
        **objects: Any,
    ) -> None:
        import tensorflow as tf

        if not objects:
            raise TypeError("nothing to save: name objects (model=model)")
        self._tracked = tf.train.Checkpoint(**objects)
        workers = strategy is not None and strategy.cluster_resolver is not None
        self._together = strategy if workers else None
        self._count: Any = None
        super().__init__(every=every, dir=dir, keep=keep, save=self._write, load=self._read)

    def _write(self, path: str) -> None:
        import tensorflow as tf

        try:
            self._tracked.write(path)
        except tf.errors.OpError as exc:
            # It comes from whoever holds the variables, as text.
            if "No space left on device" in exc.message:
                full = os.strerror(errno.ENOSPC)
                raise OSError(errno.ENOSPC, full, str(Path(path).parent)) from exc
            raise

    def _read(self, path: str) -> None:
        # What is built later is restored when it is built; what is there must be in the file.
        self._tracked.read(path).assert_existing_objects_matched()

    def _assist(self) -> None:
        """Reading a variable that the workers hold in parts takes all of them."""
        if self._together is not None:
            folder = tempfile.mkdtemp(prefix="dllab-")
            try:
                self._tracked.write(os.path.join(folder, "state"))
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _ending(self) -> bool:
        if self._together is None:
            return super()._ending()
        import tensorflow as tf

        if self._count is None:  # As a graph: it is wanted at every step.
            strategy = self._together

            def of_all(asked: Any) -> Any:
                here = tf.identity(asked)  # On the device of the replica.
                return tf.distribute.get_replica_context().all_reduce("SUM", here)

            count = tf.function(lambda asked: strategy.run(of_all, args=(asked,)), autograph=False)
            self._count = count
        said = self._count(tf.constant(int(self._termination.asked)))
        return any(int(one) > 0 for one in self._together.experimental_local_results(said))

    @property
    def _ends(self) -> bool:
        return self._writes or self._together is not None

    def _is_writer(self) -> bool:
        config = json.loads(os.environ.get("TF_CONFIG", "") or "{}")
        if "cluster" not in config:
            return super()._is_writer()
        kind, index = config["task"]["type"], int(config["task"]["index"])
        return kind == "chief" or (
            kind == "worker" and index == 0 and "chief" not in config["cluster"]
        )


def set_tf_config() -> None:
    """Set ``TF_CONFIG`` from the addresses of a job with the strategy ``custom``.

    Call it before a ``MultiWorkerMirroredStrategy`` is made. Under ``ps`` it is set already, and
    outside of a lab nothing is done.
    """
    if "TF_CONFIG" in os.environ or "DLLAB_ADDRESSES" not in os.environ:
        return
    cluster = json.loads(os.environ["DLLAB_ADDRESSES"])
    task = {"type": os.environ["DLLAB_ROLE"], "index": int(os.environ["DLLAB_REPLICA"])}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
