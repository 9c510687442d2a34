"""`scan`: what of a directory travels with a job, and what is in it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidRequest, TooLarge
from ..specs import (
    MAX_WORKSPACE_BYTES,
    MAX_WORKSPACE_FILES,
    Workspace,
    WorkspaceFile,
    check_size,
)
from ..state import StateDir
from .ignore import DLLABIGNORE, Rules

__all__ = ("Skipped", "Snapshot", "is_project", "read", "scan")

#: Never of use in a job, whatever the rules say.
_NEVER = frozenset({".git", "__pycache__", ".ipynb_checkpoints"})
_PIECE = 1024 * 1024
#: Names that a refusal lists.
_SHOWN = 5
#: Characters of a path that travels.
_LONGEST = 255
#: How often a file is read again that changes while it is read.
_PATIENCE = 3


@dataclass(frozen=True)
class Skipped:
    """Something that does not travel although no rule leaves it out.

    Attributes:
        path: Below the root.
        why: A few words.
    """

    path: str
    why: str


@dataclass(frozen=True)
class Snapshot:
    """A directory as it was.

    Attributes:
        root: The directory.
        workspace: Its files and what was in them.
        skipped: What stays here, and why.
    """

    root: Path
    workspace: Workspace
    skipped: tuple[Skipped, ...]


def is_project(root: Path) -> bool:
    """Whether a directory is meant to travel: it holds ``.git`` or ``.dllabignore``, and is neither
    the home directory nor one above it.
    """
    root = root.resolve()
    if Path.home().resolve().is_relative_to(root):
        return False
    return (root / ".git").exists() or (root / DLLABIGNORE).is_file()


def scan(root: Path, *, limit: int = MAX_WORKSPACE_BYTES) -> Snapshot:
    """Look at all that travels, and read it.

    ``.gitignore`` and ``.dllabignore`` are honoured, also further down; the latter comes first.
    Links to what lies in the directory are followed.

    Args:
        root: The directory.
        limit: Most bytes in all: `specs.Catalog.max_workspace_mb`.

    Raises:
        TooLarge: it has too many bytes or files; nothing was read by then.
        InvalidRequest: it is no directory, a file in it cannot be read (the message names it), or
            changes again and again.
    """
    walk = _Walk(root)
    check_size({path: about.st_size for path, (_, about) in walk.files.items()}, limit)
    files, unreadable = [], list(walk.unreadable)
    for path, (real, _) in sorted(walk.files.items()):
        try:
            files.append(_digest(path, real))
        except FileNotFoundError:
            continue  # It has just been deleted.
        except OSError:
            unreadable.append(path)
    if unreadable:
        names = ", ".join(sorted(unreadable)[:_SHOWN])
        more = f" and {len(unreadable) - _SHOWN} more" if len(unreadable) > _SHOWN else ""
        raise InvalidRequest(
            f"{names}{more} cannot be read.",
            hint=f"Name what is not needed in {DLLABIGNORE}.",
            field="workspace",
        )
    return Snapshot(walk.root, Workspace(files=tuple(files)), tuple(walk.skipped))


def read(path: Path) -> Iterator[bytes]:
    """The bytes of a regular file, piece by piece.

    Raises:
        OSError: it cannot be read, or is a file no more.
    """
    # Without waiting: opening a pipe would take until somebody writes to it.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError("no regular file")
        while piece := file.read(_PIECE):
            yield piece


def _digest(path: str, real: Path) -> WorkspaceFile:
    for _ in range(_PATIENCE):
        before = os.stat(real)
        digest, size = hashlib.sha256(), 0
        for piece in read(real):
            digest.update(piece)
            size += len(piece)
        after = os.stat(real)
        if size == after.st_size and _stamp(before) == _stamp(after):
            return WorkspaceFile(
                path=path,
                sha256=digest.hexdigest(),
                size=size,
                executable=bool(after.st_mode & stat.S_IXUSR),
            )
    raise InvalidRequest(
        f"{path} changes while it is read.",
        hint=f"Wait until it is written, or name it in {DLLABIGNORE}.",
        field="workspace",
    )


def _stamp(about: os.stat_result) -> tuple[int, int, int]:
    return about.st_ino, about.st_size, about.st_mtime_ns


class _Walk:
    """What is there, before anything is read.

    Attributes:
        root: Without links.
        files: By their path: where they really lie, and what the system says of them.
        skipped: What stays here.
        unreadable: Paths of directories and files that are closed to us.
    """

    def __init__(self, root: Path) -> None:
        try:
            self.root = root.resolve(strict=True)
            os.listdir(self.root)
        except (OSError, RuntimeError, ValueError) as exc:
            why = getattr(exc, "strerror", None) or "it is no path"
            raise InvalidRequest(f"{root} is no directory: {why}.", field="workspace") from exc
        self.files: dict[str, tuple[Path, os.stat_result]] = {}
        self.skipped: list[Skipped] = []
        self.unreadable: list[str] = []
        state = StateDir.default()
        self._ours = {place.resolve() for place in (state.root, state.envs)}
        self._enter(self.root, "", Rules.above(self.root), ())

    def _enter(self, folder: Path, path: str, rules: Rules, within: tuple[Path, ...]) -> None:
        """Look at a directory.

        Args:
            folder: Where it really lies.
            path: Below the root, with a slash at its end; empty for the root.
            rules: Of the directory above.
            within: The directories on the way here.
        """
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            self.unreadable.append(path)
            return
        # A virtual environment: the job has the image's, and what the lab adds to it.
        if any(entry.name == "pyvenv.cfg" for entry in entries) and path:
            return
        rules = rules.inside(folder, path)
        for entry in entries:
            if entry.name not in _NEVER:
                self._look(Path(entry.path), f"{path}{entry.name}", rules, (*within, folder))

    def _look(self, place: Path, path: str, rules: Rules, within: tuple[Path, ...]) -> None:
        try:
            about = os.lstat(place)
        except FileNotFoundError:  # It has just been deleted.
            return
        except OSError:
            self.unreadable.append(path)
            return
        real = place
        if is_link := stat.S_ISLNK(about.st_mode):
            try:
                real = place.resolve(strict=True)
                about = os.stat(real)
            except (OSError, RuntimeError):  # RuntimeError: links in a circle.
                if not rules.leave_out(path):
                    self._skip(path, "a link that leads nowhere")
                return
        is_folder = stat.S_ISDIR(about.st_mode)
        if rules.leave_out(f"{path}/" if is_folder else path):
            return
        if is_link and not real.is_relative_to(self.root):
            self._skip(path, "a link that leaves the directory")
        elif is_folder and is_link and real in within:
            self._skip(path, "a link in a circle")
        elif is_folder and real in self._ours:
            return
        elif is_folder and len(path) > _LONGEST:
            self._skip(path, "its name cannot travel")
        elif is_folder:
            self._enter(real, f"{path}/", rules, within)
        elif not stat.S_ISREG(about.st_mode):
            self._skip(path, "no regular file")
        elif _cannot_travel(path):
            self._skip(path, "its name cannot travel")
        else:
            self.files[path] = real, about
            if len(self.files) > MAX_WORKSPACE_FILES:
                raise self._too_many()

    def _skip(self, path: str, why: str) -> None:
        self.skipped.append(Skipped(path.encode(errors="replace").decode(), why))

    def _too_many(self) -> TooLarge:
        tops = Counter(path.partition("/")[0] for path in self.files if "/" in path)
        names = ", ".join(f"{top}/ ({count})" for top, count in tops.most_common(_SHOWN))
        most = f"; directories with many are {names}" if names else ""
        return TooLarge(
            f"the workspace has more than {MAX_WORKSPACE_FILES} files{most}.",
            hint=f"Name what is not needed in {DLLABIGNORE}, or put data on a volume.",
            field="workspace",
        )


def _cannot_travel(path: str) -> bool:
    try:
        WorkspaceFile(path=path, sha256="0" * 64, size=0)
    except InvalidRequest:
        return True
    return False
