"""Cells of a notebook that travel with its trainings, as a program of several files.

Each cell stays a file of its own, so that a traceback names the line that the person sees; all of
them run in one namespace, ``__main__``, as in the notebook: a class is pickled as ``__main__.Net``,
a function sees what a later cell defines, and names that begin with ``_`` are there too.
"""

from __future__ import annotations

from collections.abc import Sequence

from .program import Program

__all__ = ("with_shared",)

_LAUNCHER = """\
# Runs the marked cells of the notebook and then the training cell, as one program.
import os as _os

for _path in (
{names}
):
    _path = _os.path.join(_os.path.dirname(_os.path.abspath(__file__)), _path)
    with open(_path, encoding="utf-8") as _text:
        _text = _text.read()
    exec(compile(_text, _path, "exec", dont_inherit=True))
"""


def with_shared(program: Program, cells: Sequence[tuple[str, str]]) -> Program:
    """The program that runs some cells first.

    Args:
        program: Of the training cell, a script.
        cells: Name, which may be empty, and text of each, in order.
    """
    if not cells:
        return program
    parts = {
        # A hyphen cannot be imported: no module is hidden by these files.
        f"shared-{number}{'-' if name else ''}{name}.py": text
        for number, (name, text) in enumerate(cells, 1)
    }
    parts[program.filename] = program.source
    names = "\n".join(f"    {name!r}," for name in parts)
    stem = program.filename.removesuffix(".py")
    return Program(
        program.kind,
        program.name,
        _LAUNCHER.format(names=names),
        f"{stem}-with-shared.py",
        args=program.args,
        parts=parts,
    )
