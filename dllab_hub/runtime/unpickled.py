"""`unpickled`: what is in a pickle, or in one sentence why that cannot be had.

To load a pickle is to run whatever its maker has put into it: it is done in processes of its
owner's account only, and only where the administrator allows that.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

from .model import Unservable, sentence

__all__ = ("reason", "unpickled")


def unpickled(load: Callable[[], Any]) -> Any:
    """What a loader gives.

    Args:
        load: From here on the code of the file's maker may have run.

    Raises:
        Unservable: it gives nothing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load()
    except MemoryError as exc:
        raise Unservable("it needs more memory than there is, or is damaged.") from exc
    # Whatever is in it raises whatever it likes.
    except (Exception, SystemExit) as exc:
        raise Unservable(f"it cannot be loaded: {reason(exc)}") from exc


def reason(exc: BaseException) -> str:
    """What somebody else's code has raised, for people, without a path of this machine."""
    text = str(exc)
    if isinstance(exc, ModuleNotFoundError):
        return f"it needs {exc.name}, which this image has not."
    if found := re.match(r"Can't get attribute '([\w.]+)' on <module '([\w.]+)'", text):
        name, module = found.groups()
        if module == "__main__" or module.startswith("dllab_hub."):  # Ours has that name by now.
            return f"it needs {name} of the notebook or program that made it: a pickle has no code."
        return f"it needs {name} of the module {module}, which is not here."
    if isinstance(exc, UnpicklingError | EOFError | IndexError):  # Of what is missing in it.
        return "it is damaged, or cut short."
    return sentence(f"{type(exc).__name__}: {re.sub(r'/[^ ]*/', '', text)}")
