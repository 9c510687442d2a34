"""`Rules`: what ``.gitignore`` and ``.dllabignore`` leave out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pathspec import GitIgnoreSpec

from ..errors import InvalidRequest

__all__ = ("DLLABIGNORE", "Rules")

DLLABIGNORE = ".dllabignore"
_GITIGNORE = ".gitignore"
_Part = tuple[str, GitIgnoreSpec]


@dataclass(frozen=True)
class Rules:
    """What holds in one directory.

    As with git, a file deeper down comes before one above it, and nothing below a directory that
    is left out can be taken in again. What a ``.dllabignore`` says comes before any ``.gitignore``.

    Attributes:
        own: Of each ``.dllabignore``, outermost first: its directory below the root, with a slash
            at its end, and its rules.
        git: The same of each ``.gitignore``; one above the root has the way from there to the root
            with a minus sign before it.
    """

    own: tuple[_Part, ...] = ()
    git: tuple[_Part, ...] = ()

    @classmethod
    def above(cls, root: Path) -> Self:
        """What git's files above a directory say, up to the top of its repository."""
        between: list[Path] = []
        for folder in (root, *root.parents):
            between.append(folder)
            if (folder / ".git").exists():
                break
        else:
            return cls()  # In no repository.
        git = []
        for folder in reversed(between[1:]):
            if spec := _read(folder / _GITIGNORE):
                git.append((f"-{root.relative_to(folder).as_posix()}/", spec))
        return cls((), tuple(git))

    def inside(self, folder: Path, path: str) -> Rules:
        """What holds in a directory, with its own files.

        Args:
            folder: Where it is.
            path: Below the root, with a slash at its end; empty for the root.

        Raises:
            InvalidRequest: one of its files cannot be read.
        """
        own, git = _read(folder / DLLABIGNORE), _read(folder / _GITIGNORE)
        if own is None and git is None:
            return self
        return Rules(
            (*self.own, (path, own)) if own else self.own,
            (*self.git, (path, git)) if git else self.git,
        )

    def leave_out(self, path: str) -> bool:
        """Whether something stays here.

        Args:
            path: Below the root; a directory has a slash at its end.
        """
        for parts in (self.own, self.git):
            for base, spec in reversed(parts):
                seen = f"{base[1:]}{path}" if base.startswith("-") else path[len(base) :]
                verdict = spec.check_file(seen).include
                if verdict is not None:
                    return verdict
        return False


def _read(path: Path) -> GitIgnoreSpec | None:
    try:
        # Names that are no UTF-8 are as `os` shows them.
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as exc:
        raise InvalidRequest(f"{path} cannot be read: {exc.strerror}.", field="workspace") from exc
    lines = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = line.removesuffix("\r")
        try:
            GitIgnoreSpec.from_lines([line])
        except (ValueError, re.error):
            if path.name == DLLABIGNORE:
                raise InvalidRequest(
                    f"line {number} of {path} is no pattern.", field="workspace", line=number
                ) from None
            continue  # As git does.
        lines.append(line)
    return GitIgnoreSpec.from_lines(lines)
