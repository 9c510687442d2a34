"""Figures beside their peers' (``make bench AREA=training``). Exit code 1: one does not hold."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import frontend
import gpu
import insight
import launch
import serving
import training
from table import Row, print_table

AREAS: dict[str, Callable[[], Iterator[Row]]] = {
    "launch": launch.rows,
    "training": training.rows,
    "gpu": gpu.rows,
    "serving": serving.rows,
    "insight": insight.rows,
    "frontend": frontend.rows,
}
#: Rows of the design whose product part is not built yet.
LATER = {
    "kubernetes": "training and labs on a cluster",
}


def main(areas: list[str]) -> int:
    """Measure the areas named, or all."""
    known = [*AREAS, *LATER]
    for area in areas:
        if area not in known:
            print(f"there is no area {area!r}; areas: {', '.join(known)}", file=sys.stderr)
            return 2
    rows: list[Row] = []
    for area in areas or known:
        if area in LATER:
            rows.append(Row(f"{area}: {LATER[area]}", why="this part is not built yet"))
        else:
            rows += AREAS[area]()
    return print_table(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
