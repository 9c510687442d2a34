"""The cells that the front end makes of wishes are those that the client makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.cellof import to_cell
from dllab_hub.specs import TrainingSpec

#: What `cell.test.ts` holds the front end to.
CELLS = json.loads((Path(__file__).parent / "cells.json").read_text())


@pytest.mark.parametrize("case", CELLS, ids=lambda case: str(CELLS.index(case)))
def test_client_makes_the_same_cells(case: dict[str, Any]) -> None:
    """Each wish becomes the cell that stands beside it in the file that both sides read."""
    assert to_cell(TrainingSpec.from_wire(case["spec"])) == case["cell"]
