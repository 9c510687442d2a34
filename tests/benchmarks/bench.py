"""Figures beside their peers' (``make bench AREA=training``). Exit code 1: one does not hold."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import frontend
import gpu
import gpu_metrics
import insight
import kubernetes
import launch
import serving
import training
from table import Row, print_table

AREAS: dict[str, Callable[[], Iterator[Row]]] = {
    "launch": launch.rows,
    "training": training.rows,
    "gpu": lambda: chain(gpu.rows(), gpu_metrics.rows()),
    "serving": serving.rows,
    "insight": insight.rows,
    "frontend": frontend.rows,
    "kubernetes": kubernetes.rows,
}


def main(areas: list[str]) -> int:
    """Measure the areas named, or all."""
    for area in areas:
        if area not in AREAS:
            print(f"there is no area {area!r}; areas: {', '.join(AREAS)}", file=sys.stderr)
            return 2
    rows: list[Row] = []
    try:
        for area in areas or AREAS:
            for row in AREAS[area]():
                rows.append(row)
    except BaseException:
        print_table(rows)  # Minutes of measuring are not lost.
        raise
    return print_table(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
