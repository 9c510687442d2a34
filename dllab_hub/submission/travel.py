"""What travels with a job: all of a directory, or what the code imports."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest, TooLarge
from ..specs import Catalog
from .program import Program

if TYPE_CHECKING:
    from ..workspace import Snapshot

__all__ = ("snapshot_for", "travel_text")


def snapshot_for(
    options: argparse.Namespace, program: Program, here: Path, catalog: Callable[[], Catalog]
) -> tuple[Snapshot | None, Path, str, int]:
    """The directory that travels whole, if one does.

    Args:
        options: Of a parser that went through `add_options`.
        program: What runs.
        here: Working directory.
        catalog: Says how much may travel; asked only when a directory does.

    Returns:
        The directory's snapshot or None; the directory that the code runs in; what the program's
        file is called there; most bytes of the directory.

    Raises:
        InvalidRequest: the directory cannot be read, or the script lies outside of it.
        TooLarge: it is larger than may travel; the largest files are named.
    """
    from ..workspace import scan

    script = None if program.path is None else here / program.path
    beside = here if script is None else script.absolute().parent
    wanted = options.workspace
    top = (here / wanted).resolve() if wanted else None
    if wanted is None:
        top = _project(here, script, beside)
    if wanted and top is not None and not top.is_dir():
        raise InvalidRequest(f"{wanted} is not a directory.", field="workspace")
    if top is None:
        return None, beside, program.filename, 0
    name = program.filename if script is None else _below(script, top)
    if name is None:
        raise InvalidRequest(
            f"{program.path} lies outside of {wanted}.",
            hint="Name a directory that holds it.",
            field="workspace",
        )
    limit = catalog().max_workspace_mb * 2**20
    try:
        return scan(top, limit=limit), top, name, limit
    except TooLarge as exc:
        if not wanted:
            exc.hint = f"{exc.hint} Or send only what is imported: --no-workspace."
        raise


def travel_text(snapshot: Snapshot) -> str:
    """One line that says what travels, and one for what cannot."""
    files, size = len(snapshot.workspace.files), snapshot.workspace.size / 2**20
    lines = [
        f"{snapshot.root.name or snapshot.root}: {files} file{'' if files == 1 else 's'}, "
        f"{size:.1f} MB travel with the job (--no-workspace: only what is imported)."
    ]
    if snapshot.skipped:
        shown = ", ".join(f"{each.path} ({each.why})" for each in snapshot.skipped[:3])
        more = f" and {len(snapshot.skipped) - 3} more" if len(snapshot.skipped) > 3 else ""
        lines.append(f"not among them: {shown}{more}.")
    return "\n".join(lines)


def _project(here: Path, script: Path | None, beside: Path) -> Path | None:
    """The working directory when it is a project that holds the script, else the script's own."""
    from ..workspace import is_project

    if is_project(here) and (script is None or _below(script, here) is not None):
        return here
    return beside if script is not None and is_project(beside) else None


def _below(path: Path, top: Path) -> str | None:
    """The path relative to ``top``, or None when it lies elsewhere."""
    for at, root in ((path.absolute(), top.absolute()), (path.resolve(), top.resolve())):
        if at.is_relative_to(root) and ".." not in at.parts:
            return at.relative_to(root).as_posix()
    return None
