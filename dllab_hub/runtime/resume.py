"""Where a training of any framework goes on from: the newest checkpoint that is whole.

>>> from dllab_hub.runtime.resume import newest
>>> trainer.train(resume_from_checkpoint=newest("huggingface"))  # doctest: +SKIP

A program that was killed while it saved leaves half a checkpoint, and frameworks that look for the
newest name take it. This looks for the newest one that is complete. It works without a lab too.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .formats import FORMATS, Found, Missing, search

__all__ = ("newest", "whole")

#: Trouble of this process or machine: no reason to start from the beginning.
_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR}
_MAX_NAMES = 10_000


def newest(format: str | None = None, dir: str | os.PathLike[str] | None = None) -> str | None:
    """Path of the newest whole checkpoint, as the framework itself wants it; None: there is none.

    With Hugging Face:

    >>> arguments = TrainingArguments(  # doctest: +SKIP
    ...     output_dir=os.environ["DLLAB_CHECKPOINT_DIR"], save_steps=100, save_total_limit=3)
    >>> trainer.train(resume_from_checkpoint=newest("huggingface"))  # doctest: +SKIP

    With Lightning:

    >>> saves = ModelCheckpoint(os.environ["DLLAB_CHECKPOINT_DIR"],  # doctest: +SKIP
    ...     every_n_train_steps=100, save_top_k=3, monitor="step", mode="max")
    >>> trainer.fit(model, ckpt_path=newest("lightning"))  # doctest: +SKIP

    With a loop of TensorFlow:

    >>> tf.train.Checkpoint(model=model).restore(newest("tensorflow"))  # doctest: +SKIP

    Args:
        format: ``dllab``, ``torch-distributed``, ``huggingface``, ``lightning``, ``tensorflow`` or
            ``keras``; None: whichever is newest.
        dir: Where; ``DLLAB_CHECKPOINT_DIR`` by default, ``checkpoints`` outside a lab.

    Returns:
        A folder, a file, or TensorFlow's prefix. Those of Hugging Face have the step in their
        trainer's state, which counts more than their name.

    Raises:
        ValueError: there is no such format.
        OSError: this process is out of descriptors, or the disk fails.
    """
    found = next(whole(format, dir), None)
    return None if found is None else str(_folder(dir).joinpath(*found.parts))


def whole(format: str | None = None, dir: str | os.PathLike[str] | None = None) -> Iterator[Found]:
    """All whole checkpoints, newest first; arguments and errors as those of `newest`."""
    if format is not None and format not in FORMATS:
        raise ValueError(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    found = search(_OwnFiles(_folder(dir)))
    return (one for one in found if format in (None, one.format))


def _folder(dir: str | os.PathLike[str] | None) -> Path:
    return Path(dir or os.environ.get("DLLAB_CHECKPOINT_DIR", "checkpoints"))


class _OwnFiles:
    """A folder of the program's own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self, *parts: str) -> list[str]:
        """Names in a folder; none when it is no folder, or a link to one."""
        path = self._path.joinpath(*parts)
        try:
            if parts and path.is_symlink():
                return []
            with os.scandir(path) as entries:
                return [entry.name for entry in itertools.islice(entries, _MAX_NAMES)]
        except OSError as exc:
            if exc.errno in _OURS:
                raise
            return []

    @contextmanager
    def opened(self, *parts: str) -> Iterator[int]:
        """A descriptor of a regular file."""
        try:
            fd = os.open(self._path.joinpath(*parts), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as exc:
            if exc.errno in _OURS:
                raise
            raise Missing(str(exc)) from exc
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise Missing(f"{'/'.join(parts)} is no regular file")
            yield fd
        finally:
            os.close(fd)
