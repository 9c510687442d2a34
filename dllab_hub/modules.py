"""The local modules a piece of code imports, so that they travel with it.

`local_modules` reads import statements only, nothing is executed. A name is looked up in one
directory, the one the code would run in; what is installed (or part of Python) stays where it is,
because the workers have it too. Data and modules that are imported by a computed name are named by
hand: `extra_files`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath

from .errors import InvalidRequest, TooLarge
from .specs import MAX_CODE_BYTES

__all__ = ("extra_files", "local_modules", "syntax_error")

#: Workers have these from elsewhere; a file of the same name here would break them.
_NEVER = frozenset(sys.stdlib_module_names) | {"dllab_hub"}
_MAX_FILES = 1000
_HINT = "Keep data out of the code: read it by its path, or put it on a volume."


def local_modules(
    source: str,
    root: Path,
    *,
    filename: str = "train.py",
    known: Collection[str] = (),
    base: Path | None = None,
) -> dict[str, str]:
    """The modules below ``root`` that ``source`` imports, and those that they import.

    Args:
        source: Python text that `syntax_error` has nothing against.
        root: Directory that Python would look in; only what lies below it is taken.
        filename: What ``source`` is called; never among the result.
        known: Files that are there anyway: what they import is looked at, and they are not among
            the result.
        base: Directory that all names are relative to, ``root`` or above it; None: ``root``.

    Returns:
        Relative POSIX path -> text, in alphabetical order.

    Raises:
        InvalidRequest: a module cannot be read or has a syntax error; the message names it.
        TooLarge: together they are more than one submission may carry.
    """
    found: dict[str, str] = {}
    size = len(source.encode("utf-8", "surrogatepass"))
    # (text, dotted package that relative imports start from)
    waiting: list[tuple[str, tuple[str, ...]]] = [(source, ())]
    while waiting:
        text, package = waiting.pop()
        for path in _imported(ast.parse(text), root, package):
            key = (root / path).relative_to(base or root).as_posix()
            if key in found or key == filename:
                continue
            found[key] = _read(root / path, key)
            if key not in known:
                size += len(found[key].encode())
                _check_size(size, found)
            if error := syntax_error(found[key], key):
                raise InvalidRequest(
                    f"syntax error in {key}, line {error.lineno}: {error.msg}.",
                    hint="The code imports it, so it would have travelled. Nothing was started.",
                    field="code.files",
                    line=error.lineno,
                )
            waiting.append((found[key], path.parts[:-1]))
    return {key: found[key] for key in sorted(found.keys() - set(known))}


def extra_files(patterns: Iterable[str], root: Path) -> dict[str, str]:
    """Text files named by hand.

    Args:
        patterns: Paths or patterns such as ``conf/*.yaml``, relative to ``root``.
        root: Directory the code would run in.

    Returns:
        Relative POSIX path -> text.

    Raises:
        InvalidRequest: a pattern meets no file, leaves ``root``, or a file is not UTF-8 text.
        TooLarge: together they are more than one submission may carry.
    """
    found: dict[str, str] = {}
    size = 0
    for pattern in patterns:
        if not PurePosixPath(pattern).parts:
            raise InvalidRequest(
                f"{pattern!r} names no file.", hint="Such as conf/*.yaml.", field="code.files"
            )
        if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
            raise InvalidRequest(
                f"{pattern} lies outside the working directory and has no place in the workspace.",
                hint="Give its path to the code as an argument instead.",
                field="code.files",
            )
        try:
            paths = [root / pattern] if (root / pattern).is_file() else sorted(root.glob(pattern))
        except ValueError as exc:
            raise InvalidRequest(f"{pattern} is no pattern: {exc}.", field="code.files") from None
        files = [path for path in paths if path.is_file()]
        if not files:
            what = "is a directory" if (root / pattern).is_dir() else "does not exist"
            hint = f"Name its files: {pattern.rstrip('/')}/*." if "directory" in what else ""
            raise InvalidRequest(
                f"{pattern} {what}.",
                hint=hint or "The path is relative to the working directory.",
                field="code.files",
            )
        for path in files:
            key = path.relative_to(root).as_posix()
            if key not in found:
                found[key] = _read(path, key)
                size += len(found[key].encode())
                _check_size(size, found)
    return found


def syntax_error(source: str, filename: str) -> SyntaxError | None:
    """Why ``source`` cannot be read as Python, or None. Its ``lineno`` is always a number."""
    if "\0" in source:
        line = source.partition("\0")[0].count("\n") + 1
        return SyntaxError("a NUL character", (filename, line, 0, ""))
    try:
        ast.parse(source, filename=filename)
    except SyntaxError as exc:
        exc.lineno = exc.lineno or 1
        return exc
    except (ValueError, RecursionError, MemoryError) as exc:
        return SyntaxError(str(exc) or "nested too deeply", (filename, 1, 0, ""))
    return None


def _imported(tree: ast.Module, root: Path, package: tuple[str, ...]) -> Iterator[Path]:
    """Files below ``root`` that the import statements of one module load, relative to it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(root, tuple(alias.name.split(".")))
        elif isinstance(node, ast.ImportFrom):
            base = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                # One dot is the package itself, each further dot one level up.
                base = package[: max(0, len(package) - node.level + 1)] + base
            if base:
                yield from _files(root, base)
            for alias in node.names:
                names = _submodules(root, base) if alias.name == "*" else [alias.name]
                for name in names:
                    # ``from a import b`` loads the module a.b where there is one.
                    yield from _files(root, (*base, name))


def _files(root: Path, dotted: tuple[str, ...]) -> Iterator[Path]:
    """``a.b.c`` loads a, a.b and a.b.c: those of them that are files below ``root``."""
    if dotted[0] in _NEVER:
        return
    at = root
    for name in dotted:
        if (at / name / "__init__.py").is_file():
            yield from _inside(root, at / name / "__init__.py")
        elif (at / f"{name}.py").is_file():
            yield from _inside(root, at / f"{name}.py")
            return
        elif not (at / name).is_dir():  # A directory without __init__.py is a package as well.
            return
        at /= name


def _inside(root: Path, path: Path) -> Iterator[Path]:
    if "site-packages" not in path.resolve().parts:  # A link to something installed.
        yield path.relative_to(root)


def _submodules(root: Path, base: tuple[str, ...]) -> list[str]:
    """What ``from base import *`` may load: all modules directly in the package."""
    directory = root.joinpath(*base)
    if not base or not directory.is_dir():
        return []
    return sorted(path.stem for path in directory.glob("*.py") if path.stem != "__init__")


def _read(path: Path, key: str) -> str:
    try:
        if path.stat().st_size > MAX_CODE_BYTES:
            raise TooLarge(
                f"{key} is larger than the {MAX_CODE_BYTES // 2**20} MiB that code may have.",
                hint=_HINT,
                field="code.files",
            )
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest(
            f"{key} is not UTF-8 text; only text travels with the code.",
            hint=_HINT,
            field="code.files",
        ) from None
    except OSError as exc:
        raise InvalidRequest(f"{key} cannot be read: {exc.strerror}.", field="code.files") from None
    return text


def _check_size(size: int, found: dict[str, str]) -> None:
    if size > MAX_CODE_BYTES:
        largest = max(found, key=lambda key: len(found[key]))
        raise TooLarge(
            f"the code and what travels with it are larger than {MAX_CODE_BYTES // 2**20} MiB; "
            f"the largest is {largest} ({len(found[largest].encode()) / 2**20:.1f} MiB).",
            hint=_HINT,
            field="code.files",
        )
    if len(found) > _MAX_FILES:
        raise TooLarge(f"more than {_MAX_FILES} files would travel.", hint=_HINT)
