"""Alerts as plain text."""

from __future__ import annotations

from dllab_hub.specs import Alert, AlertList
from dllab_hub.tables import alerts_text


def test_since_when() -> None:
    """One that fires tells how long it does, one that is over how long it has been over."""
    fires = Alert(
        id="hot-1", rule="GPUTemperatureHigh", severity="warning", state="firing", kind="gpu",
        message="GPU 0 is hot.", since=1000.0, fired=1060.0,
    )  # fmt: skip
    over = fires.model_copy(update={"state": "resolved", "resolved": 4540.0})
    lines = alerts_text(AlertList(alerts=(fires, over)), 4600.0).splitlines()

    assert lines[1].split()[-5:-1] == ["1", "h", "0", "min"]
    assert lines[3].split()[2:-1] == ["resolved", "1", "min"]
