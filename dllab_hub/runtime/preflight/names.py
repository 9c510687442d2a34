"""`defined`: the names that a module has once it is imported."""

from __future__ import annotations

import ast
import re

from .source import Source

__all__ = ("ALWAYS", "defined")

#: What every module has.
ALWAYS = frozenset(
    {
        *("__name__", "__doc__", "__file__", "__spec__", "__loader__", "__package__", "__path__"),
        *("__dict__", "__builtins__", "__cached__", "__annotations__", "__version__"),
    }
)
#: Ways to make names that cannot be read off.
_MAGIC = re.compile(
    rb"\b(globals|exec|eval|vars|locals|setattr|__getattr__|sys\.modules|__dict__|_?[Ll]azy\w*)\b"
    rb"|import\s*\(?\s*\*"
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def defined(source: Source) -> set[str] | None:
    """The names, or None when that cannot be told without running it.

    A name counts wherever in the module it is bound: in a branch, in a loop, through ``global``.
    """
    if _MAGIC.search(source.data):  # In a comment as well: then a mistake goes unseen.
        return None
    found = set(ALWAYS)
    if b"global" in source.data:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Global):
                found.update(node.names)
    _bound(source.tree, found)
    return found


def _bound(tree: ast.Module, found: set[str]) -> None:
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            found.add(node.name)
            waiting.extend(node.decorator_list)  # What is inside is not the module's.
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import):
            found.update(one.asname or one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(one.asname or one.name for one in node.names)
            if node.level and node.module:  # It becomes an attribute of the package as well.
                found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
        waiting.extend(ast.iter_child_nodes(node))
