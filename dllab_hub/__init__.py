"""A deep-learning lab for JupyterHub.

>>> from dllab_hub import Client, TrainingSpec

Everything public is imported on first use, so that a worker or a supervisor that only needs the
standard library starts in milliseconds.
"""

from __future__ import annotations

from ._version import __version__

# A type checker reads it as true; importing it from typing would be half of a shim's start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HOME = {
    "Client": "client",
    "Code": "specs",
    "DLLabError": "errors",
    "Deployment": "specs",
    "DeploymentSpec": "specs",
    "DeploymentState": "specs",
    "JobState": "specs",
    "LabSpec": "specs",
    "Role": "specs",
    "TrainingJob": "specs",
    "TrainingSpec": "specs",
}

__all__ = ("__version__", *sorted(_HOME))  # pyright: ignore


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(_part(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(ipython: Any) -> None:
    """``%load_ext dllab_hub``: the magics."""
    _part("magics").register(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """``%unload_ext dllab_hub``."""
    _part("magics").unregister(ipython)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    points: list[dict[str, Any]] = _part("server.extension")._jupyter_server_extension_points()
    return points


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "dllab-hub"}]


def _part(name: str) -> Any:
    from importlib import import_module

    return import_module(f".{name}", __name__)
