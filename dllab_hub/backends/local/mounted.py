"""`check_mounted`: the directory that other machines see too is the one of before.

It is a mount. Where that is missing there is an empty directory, and every job would seem lost.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from ...errors import Unavailable
from ...state import StateDir
from .disk import disk_errors
from .shimdir import replace_file

__all__ = ("check_mounted", "is_mounted")

#: In the directory, and what the service knows of it.
_MARK, _KNOWN = ".dllab-hub", "shared.json"


def check_mounted(state: StateDir) -> None:
    """Nothing when ``state.shared`` is there, or is used for the first time. Blocks.

    Raises:
        Unavailable: it is another one, or cannot be written.
        StorageFull: there is no room.
    """
    if state.elsewhere is None:
        return
    try:
        with disk_errors():
            state.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            known = _read(state.root / _KNOWN)
            if known and _read(state.shared / _MARK) != known:
                raise Unavailable(
                    f"{state.shared} is not the directory that it was: its jobs are not there.",
                    hint="Mount it again. If it is a new one on purpose, remove "
                    f"{state.root / _KNOWN}; the jobs of before are lost then.",
                )
            if not known:
                state.shared.mkdir(mode=0o711, parents=True, exist_ok=True)
                mark = _read(state.shared / _MARK) or str(uuid.uuid4())
                replace_file(state.shared / _MARK, json.dumps({"id": mark}).encode())
                replace_file(state.root / _KNOWN, json.dumps({"id": mark}).encode())
    except PermissionError as exc:
        raise Unavailable(
            f"{exc.filename} cannot be written by the lab service.",
            hint="It has to belong to the user that the service runs as.",
        ) from exc


def is_mounted(state: StateDir) -> bool:
    """Whether it is there now. Blocks for a moment."""
    return state.elsewhere is None or (state.shared / _MARK).exists()


def _read(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes())["id"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ""
