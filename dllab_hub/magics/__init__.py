"""``%load_ext dllab_hub``: submit the cell, watch jobs, serve a model, ask it, see GPUs.

Every magic returns a view: live where the front end shows widgets, plain text elsewhere. What a
person typed wrong is one line, without a traceback, and the cell counts as failed, so that
"run all" stops there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..errors import DLLabError
from ..submission import in_words
from .access import AccessMagics
from .canary import CanaryMagics
from .history import HistoryMagics
from .jobs import JobMagics
from .machine import MachineMagics
from .models import ModelMagics
from .serving import ServingMagics
from .session import Session
from .training import TrainingMagics

__all__ = ("register", "unregister")

#: Where a shell keeps what the magics share.
_META = "dllab_hub"
_ALL = (
    *(TrainingMagics, JobMagics, HistoryMagics, MachineMagics),
    *(ModelMagics, ServingMagics, CanaryMagics, AccessMagics),
)


def register(shell: Any) -> None:
    """Add the magics to an IPython shell."""
    session = Session(shell)
    for kind_of in _ALL:
        magics = kind_of(session)
        for kind, names in (("cell", magics.cells), ("line", magics.lines)):
            for name in names:
                shell.register_magic_function(_in_one_line(getattr(magics, name)), kind, name)
    shell.meta[_META] = session


def unregister(shell: Any) -> None:
    """Take them out again; views stop asking. Jobs and deployments go on."""
    session: Session = shell.meta.pop(_META)
    session.close()
    for magics in _ALL:
        for kind, names in (("cell", magics.cells), ("line", magics.lines)):
            for name in names:
                shell.magics_manager.magics[kind].pop(name, None)


def _in_one_line(magic: Callable[..., Any]) -> Callable[..., Any]:
    """The one place where an error becomes a line: IPython asks the exception how it looks."""

    @functools.wraps(magic)
    def call(*args: Any) -> Any:
        try:
            return magic(*args)
        except DLLabError as exc:
            text = in_words(exc)
            exc._render_traceback_ = lambda: [text]  # type: ignore[attr-defined]
            raise exc from None

    return call
