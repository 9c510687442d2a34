"""The verbs of `Client` come from three classes; none hides one of another."""

from __future__ import annotations

from itertools import combinations

from dllab_hub.history import HistoryClient
from dllab_hub.jobs import JobsClient
from dllab_hub.serving import ServingClient


def test_no_verb_hides_another() -> None:
    """A name that two of them had would silently do what only the first one means."""
    verbs = [
        {name for name in vars(part) if not name.startswith("_")}
        for part in (JobsClient, HistoryClient, ServingClient)
    ]
    for one, other in combinations(verbs, 2):
        assert set() == one & other
