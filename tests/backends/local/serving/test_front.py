"""`Front` and a balancer that this release did not start; neither runs here."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dllab_hub.backends.local.serving.front import Front
from dllab_hub.backends.local.serving.known import Known
from dllab_hub.backends.local.serving.unit import Seen


@pytest.mark.parametrize("current", [True, False])
def test_one_of_an_older_release(current) -> None:
    """It would not know a second version: it is ended at the first look, and started anew."""
    ended = []
    unit = SimpleNamespace(
        known=Known(launched=True), look=lambda: Seen(alive=True), end=lambda why: ended.append(why)
    )
    balancer = SimpleNamespace(
        is_current=lambda: current, servers=lambda: {"replica-1": "UP"}, traffic=lambda: None
    )
    front = Front(unit, balancer, lambda *_: None)
    front.tend([])

    assert ([] if current else ["it was started by an older release."]) == ended
    assert ({"replica-1": "UP"} if current else None) == front.words


def test_the_share_is_kept_for_the_next_start() -> None:
    """What the second pool gets is written down also while the balancer does not answer."""
    written = []
    balancer = SimpleNamespace(write=lambda servers, others: written.append((servers, others)))
    front = Front(SimpleNamespace(known=Known()), balancer, lambda *_: None)
    front.share([], [], 30)
    front.share([], [], 30)

    assert [((), 30)] == written
