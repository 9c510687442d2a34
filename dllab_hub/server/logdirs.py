"""Directories that TensorBoard shows beside those of one's jobs: links in its log directory.

TensorBoard follows links, so all of them are runs of one board, ``<name>/...``, that can be
compared; they stay when the lab ends, and every lab of the person shows them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import Conflict, DLLabError, InvalidRequest, NotFound, Unavailable
from ..names import check_name

__all__ = ("MAX_DIRECTORIES", "add", "find", "remove", "volume_paths")

#: TensorBoard walks through all of them every few seconds.
MAX_DIRECTORIES = 50


def find(logdir: Path) -> dict[str, str]:
    """Added directories by name, whether or not they are there now."""
    try:
        with os.scandir(logdir) as entries:
            found = {e.name: os.readlink(e.path) for e in entries if e.is_symlink()}
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise _unusable(exc) from exc
    return dict(sorted(found.items()))


def add(logdir: Path, directory: str, name: str, home: Path, also: Sequence[Path] = ()) -> str:
    """Show a directory; one that is shown already stays.

    Args:
        logdir: TensorBoard's own directory; made when it is missing.
        directory: Absolute, or relative to ``home``.
        name: Of its runs; the directory's own name when empty.
        home: The person's files.
        also: Where else it may lie: data volumes.

    Returns:
        Its name.

    Raises:
        InvalidRequest: there is no such directory, it lies elsewhere, or it is all of the home.
        Conflict: the name is taken, or there are too many.
        Unavailable: the log directory cannot be written.
    """
    target = _resolved(directory, home)
    roots = [root.resolve() for root in (home, *also)]
    if not any(target.is_relative_to(root) for root in roots):
        raise InvalidRequest("must be below your home or a data volume.", field="directory")
    if target == roots[0] or logdir.resolve().is_relative_to(target):
        raise InvalidRequest(
            "this holds far more than event files.",
            hint="Choose the directory that your program writes its events to.",
            field="directory",
        )
    wanted = check_name(name) if name else _name_of(target)
    known = find(logdir)
    if known.get(wanted) == str(target):
        return wanted
    if len(known) >= MAX_DIRECTORIES:
        raise Conflict(f"{MAX_DIRECTORIES} directories are shown already.", hint="Remove one.")
    try:
        logdir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (logdir / wanted).symlink_to(target)
    except FileExistsError:
        raise Conflict(
            f"another directory is shown as {wanted}.", hint="Choose a name.", field="name"
        ) from None
    except OSError as exc:
        raise _unusable(exc) from exc
    return wanted


def remove(logdir: Path, name: str) -> None:
    """Show it no more; its files stay.

    Raises:
        NotFound: none is shown under that name.
    """
    link = logdir / check_name(name)
    if not link.is_symlink():
        raise NotFound(f"no directory is shown as {name}.", field="name")
    try:
        link.unlink(missing_ok=True)
    except OSError as exc:
        raise _unusable(exc) from exc


def volume_paths() -> list[Path]:
    """Directories of the lab's data volumes."""
    volumes = json.loads(os.environ.get("DLLAB_VOLUMES") or "{}")
    return [Path(volume["path"]) for volume in volumes.values() if volume.get("path")]


def _resolved(directory: str, home: Path) -> Path:
    try:
        target = (home / directory).resolve(strict=True)
        if target.is_dir():
            return target
    except (OSError, ValueError, RuntimeError):  # Missing, with a NUL, a loop of links.
        pass
    raise InvalidRequest(
        "there is no such directory.",
        hint="Give it as in the file browser; it must exist already.",
        field="directory",
    )


def _name_of(target: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", target.name.lower()).strip("-")[:40].strip("-")
    return name or "runs"


def _unusable(exc: OSError) -> DLLabError:
    return Unavailable(
        f"TensorBoard's directory is not usable: {exc.strerror}.", hint="Ask the administrator."
    )
