"""Jobs on this machine: one directory and one shim process per job."""

from .backend import LocalBackend

__all__ = ("LocalBackend",)
