"""Makes a person's home ready for a lab: links to the data volumes and the welcome notebook.

With one account per person this file runs as a program of its own under that account, because a
directory that somebody else controls is no place for root to write in. So it needs nothing but the
standard library: ``python -I -S home.py`` reads the arguments of `prepare` as JSON from standard
input and prints ``{"welcome": bool}`` or ``{"problem": sentence}``.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

__all__ = ("HomeProblem", "prepare")

#: Which links are ours: name -> target. A link that a person made is never touched.
_RECORD = ".dllab-hub.json"


class HomeProblem(Exception):
    """The home is in a state in which the lab would not be what was picked."""


def prepare(
    home: str, volumes: Mapping[str, str], shared: Collection[str], welcome: str
) -> dict[str, bool]:
    """Bring ``data/`` and the welcome notebook up to date.

    Args:
        home: Absolute path; made when it is missing.
        volumes: Directory of each volume of this lab, by name.
        shared: Names of volumes that another lab of the same person uses now; their links stay.
        welcome: The shipped notebook; one of the same name in the home is never overwritten.

    Returns:
        ``welcome``: whether the notebook is new.

    Raises:
        HomeProblem: a volume is not there, or a file of the person is in the way.
    """
    top = Path(home)
    try:
        top.mkdir(mode=0o700, parents=True, exist_ok=True)
        _link(top / "data", dict(volumes), shared)
        return {"welcome": _copy(Path(welcome), top / Path(welcome).name)}
    except OSError as exc:
        raise HomeProblem(f"the home of this lab is not usable: {exc}.") from exc


def _link(data: Path, volumes: dict[str, str], shared: Collection[str]) -> None:
    ours = _read(data / _RECORD)
    if not volumes and not ours:
        return
    for name, target in volumes.items():
        if not os.path.isdir(target):
            raise HomeProblem(f"the volume {name} is not there now: {target} is no directory.")
        link = data / name
        if link.is_symlink() and os.readlink(link) in (target, ours.get(name)):
            continue
        if os.path.lexists(link):
            raise HomeProblem(f"data/{name} in the home is not our link: rename it.")
    data.mkdir(exist_ok=True)
    for name, target in ours.items():
        link = data / name
        if not link.is_symlink() or os.readlink(link) != target:
            continue  # Somebody has made it their own.
        if name in shared and name not in volumes:
            volumes[name] = target
        elif volumes.get(name) != target:
            link.unlink()
    for name, target in volumes.items():
        if not os.path.lexists(data / name):
            (data / name).symlink_to(target)
    partial = data / f"{_RECORD}.tmp"
    partial.write_text(json.dumps(volumes))
    partial.replace(data / _RECORD)


def _read(record: Path) -> dict[str, str]:
    try:
        found = json.loads(record.read_text())
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _copy(source: Path, target: Path) -> bool:
    if os.path.lexists(target) or not source.is_file():
        return False
    partial = target.with_name(f".{target.name}.tmp")
    shutil.copyfile(source, partial)
    partial.replace(target)
    return True


if __name__ == "__main__":
    try:
        print(json.dumps(prepare(**json.load(sys.stdin))))
    except HomeProblem as exc:
        print(json.dumps({"problem": str(exc)}))
