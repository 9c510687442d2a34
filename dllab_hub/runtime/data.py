"""Data volumes of a lab or job, through `fsspec <https://filesystem-spec.readthedocs.io>`_.

A volume that is a directory is simply there, as ``data/<name>``. One in object storage or HDFS is
not mounted; this module opens either of them the same way::

    from dllab_hub.runtime.data import open_volume, volumes

    files = open_volume("bucket")             # paths start at the volume's own top
    with files.open("train/labels.csv") as file:
        ...
    import pandas as pd
    frame = pd.read_parquet("train.parquet", filesystem=files)

Other programs take its address: ``volumes()["bucket"].url`` and ``.options``. In the workers of
a PyTorch ``DataLoader`` open it in the worker: connections do not survive a fork.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn

__all__ = ("VOLUMES", "Volume", "VolumeError", "open_volume", "volumes")

#: Variable that says which volumes there are: JSON, name -> attributes of `Volume`.
VOLUMES = "DLLAB_VOLUMES"

#: What a file system does that changes something.
_CHANGES = frozenset(
    {
        *("cp", "cp_file", "copy", "delete", "makedir", "makedirs", "mkdir", "mkdirs", "move"),
        *("mv", "mv_file", "pipe", "pipe_file", "put", "put_file", "rename", "rm", "rm_file"),
        *("rmdir", "touch", "upload", "write_bytes", "write_text"),
    }
)


class VolumeError(Exception):
    """A volume cannot be opened; the text says why and what to do.

    Attributes:
        package: What must be installed for it; empty when it is something else.
    """

    def __init__(self, message: str, package: str = "") -> None:
        super().__init__(message)
        self.package = package


@dataclass(frozen=True)
class Volume:
    """A place with data.

    Attributes:
        name: Key, as the administrator calls it.
        title: What people read.
        read_only: Whether it is not meant to be written to.
        place: Where it appears, relative to the home of a lab or the workspace of a job.
        path: Its directory, or an empty string.
        url: Its address in fsspec's terms, or an empty string.
        options: fsspec's ``storage_options`` for the address; they may hold a key.
    """

    name: str
    title: str = ""
    read_only: bool = False
    place: str = ""
    path: str = ""
    url: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def open(self, **options: Any) -> Any:
        """An fsspec file system whose paths start at the top of the volume.

        What others have written is seen at once: listings are not kept, unless
        ``use_listings_cache=True`` is among the options.

        Args:
            **options: More of fsspec's ``storage_options``; they come before the volume's own.

        Raises:
            VolumeError: a package is missing, or the volume's address or options are wrong.
        """
        given = {"use_listings_cache": False, **self.options, **options}
        try:
            import fsspec.core
            from fsspec.implementations.dirfs import DirFileSystem

            files, top = fsspec.core.url_to_fs(self.url or self.path, **given)
        except ImportError as exc:
            raise self._lacks(exc) from exc
        except (TypeError, ValueError) as exc:
            # fsspec's own words may repeat the options, and a key may be among them.
            raise VolumeError(
                f"the volume {self.name} cannot be opened: its address or options are wrong. "
                "The administrator can fix it."
            ) from exc
        kind = _read_only() if self.read_only else DirFileSystem
        return kind(path=top, fs=files)

    def _lacks(self, exc: ImportError) -> VolumeError:
        # fsspec hides the reason behind a hint of its own.
        cause = exc.__cause__ if isinstance(exc.__cause__, ImportError) else exc
        package = (cause.name or "").partition(".")[0] or "a package"
        return VolumeError(
            f"the volume {self.name} needs {package}, which this environment lacks. "
            f"In a notebook: %pip install {package}",
            package,
        )


def volumes() -> dict[str, Volume]:
    """The volumes of this lab or job, by name.

    Raises:
        VolumeError: ``DLLAB_VOLUMES`` is damaged.
    """
    text = os.environ.get(VOLUMES) or "{}"
    try:
        return {
            str(name): Volume(
                name=str(name),
                title=str(about.get("title") or name),
                read_only=bool(about.get("read_only", False)),
                place=str(about.get("place") or f"data/{name}"),
                path=str(about.get("path") or ""),
                url=str(about.get("url") or ""),
                options=dict(about.get("options") or {}),
            )
            for name, about in json.loads(text).items()
        }
    except (ValueError, AttributeError, TypeError) as exc:
        raise VolumeError(f"the variable {VOLUMES} is damaged.") from exc


def open_volume(name: str, **options: Any) -> Any:
    """An fsspec file system whose paths start at the top of a volume; see `Volume.open`.

    Raises:
        VolumeError: this lab or job has no such volume, a package is missing, or its address or
            options are wrong.
    """
    there = volumes()
    if name not in there:
        known = f"It has: {', '.join(there)}." if there else "It has none."
        raise VolumeError(f"there is no volume {name} here. {known}")
    return there[name].open(**options)


@lru_cache(maxsize=1)
def _read_only() -> Any:
    """A file system that refuses to change anything."""
    from fsspec.implementations.dirfs import DirFileSystem

    def refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
        raise PermissionError("this volume is read-only.")

    class ReadOnlyVolume(DirFileSystem):  # type: ignore[misc]
        def open(self, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
            if not {"w", "a", "x", "+"}.isdisjoint(mode):
                refuse(self)
            return super().open(path, mode, *args, **kwargs)

        async def open_async(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
            if not {"w", "a", "x", "+"}.isdisjoint(mode):
                refuse(self)
            return await super().open_async(path, mode, **kwargs)

    for name in dir(DirFileSystem):
        if name.lstrip("_") in _CHANGES:
            setattr(ReadOnlyVolume, name, refuse)
    ReadOnlyVolume.__qualname__ = "ReadOnlyVolume"  # As pickle looks for it: see `__getattr__`.
    return ReadOnlyVolume


def __getattr__(name: str) -> Any:
    # The class exists only where fsspec does, and other processes look for it here.
    if name == "ReadOnlyVolume":
        return _read_only()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
