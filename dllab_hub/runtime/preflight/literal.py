"""`Literals`: the text of an expression that is known without running it, such as a path."""

from __future__ import annotations

import ast
import os

__all__ = ("Literals", "called")

_SAME = {"abspath", "realpath", "resolve", "absolute", "normpath", "expanduser", "fspath", "str"}
_PATHS = {"Path", "PurePath", "PosixPath", "PurePosixPath"}


class Literals:
    """Constants of one file.

    Args:
        tree: The file.
        path: What ``__file__`` is in it.
    """

    def __init__(self, tree: ast.Module, path: str) -> None:
        self._path = path
        self._names: dict[str, ast.expr | None] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                # Who is bound twice has no one value.
                self._names[node.id] = None if node.id in self._names else node
        for statement in tree.body:
            target: ast.AST | None = None
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target = statement.targets[0]
            elif isinstance(statement, ast.AnnAssign):
                target = statement.target
            value = getattr(statement, "value", None)
            if isinstance(target, ast.Name) and self._names.get(target.id) is target and value:
                self._names[target.id] = value

    def text(self, node: ast.AST | None, depth: int = 0) -> str | None:
        """The text, or None when only running it would tell."""
        if depth > 20:
            return None
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            if node.id == "__file__":
                return self._path
            value = self._names.get(node.id)
            return None if value is None or value is node else self._of_name(value, depth)
        if isinstance(node, ast.BinOp):
            left, right = self.text(node.left, depth + 1), self.text(node.right, depth + 1)
            if left is None or right is None:
                return None
            if isinstance(node.op, ast.Div):
                return os.path.join(left, right)
            return left + right if isinstance(node.op, ast.Add) else None
        if isinstance(node, ast.Attribute) and node.attr == "parent":
            inner = self.text(node.value, depth + 1)
            return None if inner is None else os.path.dirname(inner) or "."
        if isinstance(node, ast.Call) and not node.keywords:
            return self._call(node, depth)
        return None

    def _of_name(self, value: ast.expr, depth: int) -> str | None:
        # A name that is only bound, by a loop for example, has no value here.
        return (
            None
            if isinstance(value, ast.Name) and isinstance(value.ctx, ast.Store)
            else (self.text(value, depth + 1))
        )

    def _call(self, node: ast.Call, depth: int) -> str | None:
        name = called(node)
        parts = [self.text(one, depth + 1) for one in node.args]
        texts = [one for one in parts if one is not None]
        if len(texts) != len(parts):
            return None
        if not texts and isinstance(node.func, ast.Attribute) and name in _SAME:
            return self.text(node.func.value, depth + 1)
        if not texts:
            return None
        if name in _PATHS or (name == "join" and _is_path(node.func)):
            return os.path.join(*texts)
        if len(texts) == 1 and name in _SAME:
            return texts[0]
        if len(texts) == 1 and name == "dirname":
            return os.path.dirname(texts[0])
        return None


def called(node: ast.Call) -> str:
    """Last word of what is called: ``open`` of ``io.open(...)``."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _is_path(func: ast.expr) -> bool:
    """``os.path.join`` or ``path.join``, not ``", ".join``."""
    owner = func.value if isinstance(func, ast.Attribute) else None
    if owner is None:
        return True
    return "path" in (getattr(owner, "attr", ""), getattr(owner, "id", ""))
