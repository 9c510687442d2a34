"""`Source`: one file of the code, read as this Python reads it."""

from __future__ import annotations

import ast
import os
import warnings
from functools import cached_property

from .literal import Literals

__all__ = ("Source", "TooLarge", "read")

#: Bytes. Generated code of such a size is data.
_LARGEST = 4 * 1024 * 1024


class TooLarge(Exception):
    """Nothing is known of the file: it is too large or too deeply nested to be looked at."""


class Source:
    """A file that has no mistakes of syntax.

    Attributes:
        path: Absolute path.
        data: What it holds.
        tree: The same as Python reads it.
        package: Dotted package that its relative imports start from; empty for none.
    """

    def __init__(self, path: str, data: bytes, tree: ast.Module, package: str) -> None:
        self.path = path
        self.data = data
        self.tree = tree
        self.package = package

    @cached_property
    def literals(self) -> Literals:
        """Its constants."""
        return Literals(self.tree, self.path)


def read(path: str, package: str = "", *, whole: bool = False) -> Source:
    """Read a file.

    Args:
        path: Absolute path.
        package: Of the `Source`.
        whole: Also find what only compiling it finds, which takes as long again: a ``return``
            outside of a function, for example.

    Raises:
        SyntaxError: as this Python would raise it.
        TooLarge: see there.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise TooLarge(path)
    name = os.path.basename(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # They are for the author, in the job's log.
        try:
            tree = compile(data, name, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
            assert isinstance(tree, ast.Module)
            if whole:
                compile(data, name, "exec", dont_inherit=True)
        except SyntaxError:
            raise
        except ValueError as exc:  # A NUL character, as older Pythons say it.
            line = data.partition(b"\0")[0].count(b"\n") + 1
            raise SyntaxError(str(exc), (name, line, 0, "")) from None
        except (RecursionError, MemoryError):
            raise TooLarge(path) from None
    return Source(path, data, tree, package)
