"""`walk`: every piece of a program with how certain it is that it is executed.

Levels, highest first: `SURE` is executed whenever the file is; `BRANCH` may be; `FUNCTION` when
somebody calls it; `NEVER` only where the code is prepared for its failure, or not at all.
There is a level for each of three kinds of failure, because a handler catches some of them only.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ("BRANCH", "ENV", "FUNCTION", "IMPORT", "NEVER", "PATH", "SURE", "Levels", "Seen", "walk")

SURE, BRANCH, FUNCTION, NEVER = 3, 2, 1, 0
#: Positions in `Levels`.
IMPORT, ENV, PATH = 0, 1, 2
Levels = tuple[int, int, int]
#: Type of node -> who wants to see it, with its levels.
Seen = Mapping[type[ast.AST], Iterable[Callable[[Any, Levels], None]]]

#: Exception -> the kinds of failure it catches. One that is not known may be any of them.
_CATCHES: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Exception", "BaseException", "StandardError"), (IMPORT, ENV, PATH)),
    **dict.fromkeys(("ImportError", "ModuleNotFoundError"), (IMPORT,)),
    **dict.fromkeys(("KeyError", "LookupError"), (ENV,)),
    **dict.fromkeys(("OSError", "IOError", "EnvironmentError", "FileNotFoundError"), (PATH,)),
    **dict.fromkeys(
        ("ValueError", "TypeError", "AttributeError", "RuntimeError", "KeyboardInterrupt"), ()
    ),
    **dict.fromkeys(("NameError", "AssertionError", "IndexError", "ZeroDivisionError"), ()),
}
#: A condition that asks whether something is there, or which Python or system this is.
_ASKS = re.compile(
    r"avail|install|find_spec|has_|have|support|version|platform|TYPE_CHECKING|windows|win32"
    r"|darwin|posix|^os\.name$|modules|exists|isfile|isdir|environ|getenv",
    re.IGNORECASE,
)
_EXITS = {"exit", "quit", "_exit", "abort"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
#: Fields that say how and hold nothing.
_MARKS = {"ctx", "op"}


def walk(tree: ast.Module, seen: Seen, level: int = SURE, *, main: bool = False) -> None:
    """Show each node to whoever wants to see its type, parents first.

    Args:
        tree: A file.
        seen: Who wants to see what.
        level: Of the file itself.
        main: Whether its ``__name__`` is ``"__main__"``.
    """
    _Walker(seen, main).block(tree.body, (level, level, level))


class _Walker:
    def __init__(self, seen: Seen, main: bool) -> None:
        self._seen = seen
        self._main = main

    def block(self, body: Iterable[ast.stmt], at: Levels) -> None:
        """Statements one after the other; after one that may end the program, nothing is sure."""
        for statement in body:
            self.visit(statement, at)
            if max(at) == SURE and _may_exit(statement):
                at = _capped(at, BRANCH)

    def visit(self, node: ast.AST, at: Levels) -> None:
        kind = type(node)
        for see in self._seen.get(kind, ()):
            see(node, at)
        own = _OWN_WAY.get(kind)
        if own is not None:
            own(self, node, at)
            return
        for name in kind._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                for one in value:
                    if isinstance(one, ast.AST):
                        self.visit(one, at)
            elif isinstance(value, ast.AST) and name not in _MARKS:
                self.visit(value, at)

    def _all(self, nodes: Iterable[ast.AST], at: Levels) -> None:
        for node in nodes:
            self.visit(node, at)

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, at: Levels
    ) -> None:
        self._all((*node.args.defaults, *(one for one in node.args.kw_defaults if one)), at)
        inner = _capped(at, FUNCTION)
        if isinstance(node, ast.Lambda):
            self.visit(node.body, inner)
        else:
            self._all(node.decorator_list, at)
            self.block(node.body, inner)

    def _class(self, node: ast.ClassDef, at: Levels) -> None:
        self._all((*node.decorator_list, *node.bases, *node.keywords), at)
        self.block(node.body, at)

    def _match(self, node: ast.Match, at: Levels) -> None:
        self.visit(node.subject, at)
        for case in node.cases:
            self._all([case.guard] if case.guard else [], _lower(at))
            self.block(case.body, _lower(at))

    def _choice(self, node: ast.IfExp, at: Levels) -> None:
        self.visit(node.test, at)
        self._all((node.body, node.orelse), _branch(node.test, at))

    def _and_or(self, node: ast.BoolOp, at: Levels) -> None:
        self.visit(node.values[0], at)
        self._all(node.values[1:], _branch(node.values[0], at))

    def _comprehension(self, node: ast.ListComp, at: Levels) -> None:
        self._all(ast.iter_child_nodes(node), _lower(at))

    def _if(self, node: ast.If, at: Levels) -> None:
        self.visit(node.test, at)
        constant = _truth(node.test, self._main)
        if constant is None:
            yes = no = _branch(node.test, at)
        else:
            yes, no = (at, _capped(at, NEVER)) if constant else (_capped(at, NEVER), at)
        self.block(node.body, yes)
        self.block(node.orelse, no)

    def _try(self, node: ast.Try, at: Levels) -> None:
        inner = at
        for handler in node.handlers:
            # One that only says so in its own words and ends catches nothing.
            cap = BRANCH if _gives_up(handler) else NEVER
            inner = _capped(inner, cap, _kinds(handler.type))
        self.block(node.body, inner)
        for handler in node.handlers:
            self.block(handler.body, _capped(at, NEVER))
        self.block(node.orelse, _lower(inner) if node.handlers else inner)
        self.block(node.finalbody, at)

    def _with(self, node: ast.With | ast.AsyncWith, at: Levels) -> None:
        inner = at
        for item in node.items:
            self._all(
                [item.context_expr, *([item.optional_vars] if item.optional_vars else [])], at
            )
            inner = _within(item.context_expr, inner)
        self.block(node.body, inner)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, at: Levels) -> None:
        if isinstance(node, ast.While):
            self.visit(node.test, at)
            inner = _branch(node.test, at)
        else:
            self._all((node.iter, node.target), at)
            inner = _lower(at)
        self.block(node.body, inner)
        self.block(node.orelse, _lower(at))


_OWN_WAY: dict[type[ast.AST], Callable[[_Walker, Any, Levels], None]] = {
    **dict.fromkeys(_FUNCTIONS, _Walker._function),
    **dict.fromkeys((ast.With, ast.AsyncWith), _Walker._with),
    **dict.fromkeys((ast.For, ast.AsyncFor, ast.While), _Walker._loop),
    **dict.fromkeys(
        (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), _Walker._comprehension
    ),
    # ``except*`` came with Python 3.11.
    **dict.fromkeys((ast.Try, getattr(ast, "TryStar", ast.Try)), _Walker._try),
    ast.If: _Walker._if,
    ast.Match: _Walker._match,
    ast.IfExp: _Walker._choice,
    ast.BoolOp: _Walker._and_or,
    ast.ClassDef: _Walker._class,
}


def _capped(at: Levels, level: int, kinds: Iterable[int] = (IMPORT, ENV, PATH)) -> Levels:
    found = list(at)
    for kind in kinds:
        found[kind] = min(found[kind], level)
    return (found[0], found[1], found[2])


def _lower(at: Levels) -> Levels:
    """A branch of it; one in a function is not worth a word."""
    return tuple(BRANCH if one >= BRANCH else NEVER for one in at)  # type: ignore[return-value]


def _branch(test: ast.AST, at: Levels) -> Levels:
    """What runs when a condition holds, or does not."""
    words = [one.id for one in ast.walk(test) if isinstance(one, ast.Name)]
    words += [one.attr for one in ast.walk(test) if isinstance(one, ast.Attribute)]
    return _capped(at, NEVER) if any(map(_ASKS.search, words)) else _lower(at)


def _truth(test: ast.AST, main: bool) -> bool | None:
    """Of a condition that is known before it runs."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    if name == "TYPE_CHECKING":
        return False
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        sides = (test.left, test.comparators[0])
        names = {one.id for one in sides if isinstance(one, ast.Name)}
        texts = {one.value for one in sides if isinstance(one, ast.Constant)}
        if names == {"__name__"} and texts == {"__main__"}:
            return main == isinstance(test.ops[0], ast.Eq)
    return None


def _kinds(caught: ast.AST | None) -> tuple[int, ...]:
    """Which failures an ``except`` or ``suppress`` of this catches."""
    if caught is None:
        return (IMPORT, ENV, PATH)
    if isinstance(caught, ast.Tuple):
        return tuple({kind for one in caught.elts for kind in _kinds(one)})
    name = caught.attr if isinstance(caught, ast.Attribute) else getattr(caught, "id", "")
    return _CATCHES.get(name, (IMPORT, ENV, PATH))


def _within(context: ast.AST, at: Levels) -> Levels:
    """Inside a ``with``."""
    if not isinstance(context, ast.Call):
        return _lower(at)
    name = getattr(context.func, "attr", getattr(context.func, "id", ""))
    if name == "suppress":
        return _capped(at, NEVER, {kind for one in context.args for kind in _kinds(one)})
    return at if name in ("catch_warnings", "open", "no_grad", "device", "scope") else _lower(at)


def _gives_up(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    simple = all(isinstance(one, ast.Expr | ast.Raise) for one in handler.body)
    return simple and (isinstance(last, ast.Raise) or _may_exit(last))


def _may_exit(statement: ast.stmt) -> bool:
    """Whether the program may end in it, other than by a failure that nobody expected."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _FUNCTIONS):
            continue
        # Any other exception is a failure as well.
        if isinstance(node, ast.Raise) and "SystemExit" in ast.dump(node):
            return True
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in _EXITS or name.startswith(("execv", "execl")):
                return True
        waiting.extend(ast.iter_child_nodes(node))
    return False
