"""`SharedCells`: cells of the notebook that travel with its trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import NotFound
from ..tables import columns

__all__ = ("SharedCells",)


@dataclass(frozen=True)
class _Cell:
    name: str
    id: str
    text: str


class SharedCells:
    """The marked cells, in the order in which they were marked first.

    A cell that runs again replaces its own text and keeps its place: it is known by its name, else
    by the id that the front end gives it, else by its text.
    """

    def __init__(self) -> None:
        self._cells: list[_Cell] = []

    def put(self, text: str, name: str = "", id: str = "") -> None:
        """Mark a cell, or replace what it had."""
        cell = _Cell(name, id, text)
        for at, old in enumerate(self._cells):
            if (name and old.name == name) or (id and old.id == id) or old.text == text:
                self._cells[at] = cell
                return
        self._cells.append(cell)

    def remove(self, words: Sequence[str]) -> list[str]:
        """Mark no more.

        Args:
            words: Names, or numbers as in the list.

        Returns:
            What was removed, as it was called.

        Raises:
            NotFound: there is no such cell; none is removed.
        """
        found = [self._find(word) for word in words]
        self._cells = [cell for at, cell in enumerate(self._cells) if at not in found]
        return list(words)

    def _find(self, word: str) -> int:
        for at, cell in enumerate(self._cells):
            if word in (cell.name, str(at + 1)):
                return at
        there = ", ".join(cell.name or str(at) for at, cell in enumerate(self._cells, 1))
        raise NotFound(
            f"no cell {word} is marked.", hint=f"There are {there}." if there else "There is none."
        )

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """Name, which may be empty, and text of each."""
        return tuple((cell.name, cell.text) for cell in self._cells)

    def text(self) -> str:
        """One line for each."""
        if not self._cells:
            return "no cell is marked; %%shared above a cell marks it"
        rows = [("N", "NAME", "LINES", "BEGINS WITH")]
        for number, cell in enumerate(self._cells, 1):
            lines = cell.text.strip().splitlines() or [""]
            rows.append((str(number), cell.name or "-", str(len(lines)), lines[0][:60]))
        return columns(rows)
