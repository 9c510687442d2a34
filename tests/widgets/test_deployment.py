"""The view of one deployment, and TensorBoard's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import ONNX
from widget_looks import html, press, until

from dllab_hub.deployed import Deployed
from dllab_hub.errors import Unavailable
from dllab_hub.specs import (
    Autoscale,
    Canary,
    DeploymentSpec,
    DeploymentState,
    Traffic,
    VersionTraffic,
)
from dllab_hub.widgets import BoardView, DeploymentView

NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def view(deployed: Deployed) -> Iterator[DeploymentView]:
    view = DeploymentView(deployed, period=0.02)
    yield view
    view.close()
    if view.is_live:
        until(lambda: not view.is_live)


def change(client: Any, **values: Any) -> None:
    """What the service says from now on."""
    record = client.backend.serving._record("ada", "digits")
    record.deployment = record.deployment.model_copy(update=values)


def test_text_is_complete_without_a_front_end(view: DeploymentView) -> None:
    """Where nothing shows widgets the view is text and no thread runs."""
    bundle = view._repr_mimebundle_()

    assert ["text/plain"] == list(bundle)
    assert "digits  READY\n  version 1 of digits, 2 of 2 ready" in bundle["text/plain"]
    assert "replica-2  READY  version 1" in bundle["text/plain"]
    assert not view.is_live


def test_it_follows_the_deployment(view: DeploymentView, client: Any) -> None:
    """Replicas, restarts, traffic, address and the newest replica's log appear as they happen."""
    widget = view.widget
    change(client, url="/services/dllab/serve/ada/digits/")
    client.backend.serving.write_log("ada", "digits", "replica-2", "hello\n")
    until(lambda: "hello" in html(widget))
    until(lambda: '<a href="/services/dllab/serve/ada/digits/"' in html(widget))
    assert "2 of 2 ready · version 1 of digits · 0 requests" in html(widget)

    seen = Traffic(requests=1204, rejected=3, failed=1, rate=12.5, latency=0.0031, waiting=2)
    change(client, traffic=seen)
    until(
        lambda: (
            "1204 requests, 12.5/s, 3.1 ms each, 3 rejected, 1 failed, 2 waiting" in html(widget)
        )
    )
    client.backend.serving.fail("ada", "digits", "replica-1 ended with exit code 1.")
    until(lambda: "FAILED</b> replica-1 ended with exit code 1." in html(widget))
    assert "0 of 2 ready" in html(widget)
    client.backend.serving.recover("ada", "digits")
    until(lambda: "2 of 2 ready" in html(widget))
    assert view.deployed.info.replicas[0].restarts == 1


def test_what_is_to_be_known(view: DeploymentView, client: Any) -> None:
    """A warning about what is served is in the view, and in its text; without one there is none."""
    widget = view.widget
    assert 'role="alert"' not in html(widget)
    assert "warning" not in view._repr_mimebundle_()["text/plain"]
    change(client, warning=f"The model is a pickle. {NASTY}")
    until(lambda: "The model is a pickle." in html(widget))

    assert NASTY not in html(widget)
    assert "  warning: The model is a pickle." in view.text()


def test_the_log_of_what_is_in_trouble(view: DeploymentView, client: Any) -> None:
    """A replica that failed is the one whose log is shown."""
    client.backend.serving.write_log("ada", "digits", "replica-1", "out of memory\n")
    widget = view.widget
    until(lambda: "replica-2 serves digits." in html(widget))
    assert "out of memory" not in html(widget)
    client.backend.serving.fail("ada", "digits", "replica-1 ended.")

    until(lambda: "out of memory" in html(widget))
    assert "replica-2 serves" not in html(widget)


def test_a_replica_that_ends_meanwhile(
    view: DeploymentView, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica that is gone when its log is asked for is not the end of the deployment."""
    asked: list[str] = []

    def shown() -> str:
        asked.append("replica-9")
        return "replica-9"

    monkeypatch.setattr(view, "_shown", shown)
    widget = view.widget
    until(lambda: len(asked) > 3)
    client.backend.serving.fail("ada", "digits", "replica-1 ended.")

    until(lambda: "FAILED" in html(widget))
    assert "is deleted" not in html(widget)


def test_scaling(view: DeploymentView, client: Any) -> None:
    """Plus and minus change the number of replicas; the last one cannot be taken."""
    widget = view.widget
    press(view, "+")
    until(lambda: "replica-3" in html(widget))
    assert "3 replicas" in html(widget)
    press(view, "−")
    press(view, "−")
    until(lambda: "1 replica<" in html(widget))
    assert "[− (off)]" in html(widget)
    assert 1 == view.deployed.info.spec.replicas


def test_a_canary(view: DeploymentView, client: Any, tmp_path: Path) -> None:
    """Both versions show with part, errors and times; a button promotes, another one goes back."""
    (tmp_path / "net.onnx").write_bytes(ONNX)
    for _ in range(2):
        client.publish("digits", tmp_path / "net.onnx")
    widget = view.widget
    assert "[Promote]" not in html(widget)
    client.canary("digits", Canary(version=2, percent=25))
    until(lambda: "version 2 (canary)" in html(widget))
    assert "25%" in html(widget)
    assert "3 of 3 ready" in html(widget)
    seen = VersionTraffic(
        version=2, percent=25, ready=1, requests=777, failed=55, p50=0.003, p95=0.012, p99=0.5
    )
    change(client, versions=(VersionTraffic(version=1, percent=75), seen))
    until(lambda: "777" in html(widget))
    for figure in ("55", "3 ms", "12 ms", "500 ms", "75%", "–"):
        assert f">{figure}</td>" in html(widget)
    press(view, "Promote")
    until(lambda: "version 2 of digits" in html(widget))
    assert "[Promote]" not in html(widget)
    assert "canary" not in html(widget)

    client.canary("digits", Canary(version=3))
    until(lambda: "[Roll back]" in html(widget))
    press(view, "Roll back")
    until(lambda: "[Roll back]" not in html(widget))
    assert 2 == view.deployed.info.version


def test_bounds(view: DeploymentView, client: Any) -> None:
    """Plus and minus go as far as the bounds; without a replica the state says so in words."""
    spec = DeploymentSpec(name="digits", model="digits", autoscale=Autoscale(min=0, max=2))
    client.deploy(spec)
    widget = view.widget
    until(lambda: "scales from 0 to 2" in html(widget))
    assert "[− (off)]" in html(widget)
    press(view, "+")
    until(lambda: "[+ (off)]" in html(widget))
    client.backend.serving.idle("ada", "digits")
    until(lambda: "IDLE</b> no replica: the next request starts one." in html(widget))
    assert "0 replicas" in html(widget)
    press(view, "+")
    until(lambda: "1 of 1 ready" in html(widget))


def test_delete_asks_first(view: DeploymentView, client: Any, deployed: Deployed) -> None:
    """One press asks, No takes it back, Yes deletes; then nothing is asked any more."""
    press(view, "Delete")
    assert "[Yes, delete it]" in html(view.widget)
    assert "[Delete]" not in html(view.widget)
    press(view, "No, keep it")
    assert "[Delete]" in html(view.widget)
    assert DeploymentState.READY is deployed.state

    press(view, "Delete")
    press(view, "Yes, delete it")
    until(lambda: not view.is_live)
    assert "digits is deleted; its model stays." in html(view.widget)
    assert "[" not in html(view.widget)
    assert "digits is deleted" == view.text()


def test_a_button_that_fails_says_why(view: DeploymentView, client: Any) -> None:
    """A service that refuses is read in the view; the buttons stay."""
    widget = view.widget
    client.trouble = Unavailable("the lab service does not answer.")
    press(view, "Delete")
    press(view, "Yes, delete it")
    assert "does not answer" in html(widget)

    client.trouble = None
    until(lambda: "does not answer" not in html(widget))
    assert "[Delete]" in html(widget)


def test_nothing_a_deployment_says_is_markup(view: DeploymentView, client: Any) -> None:
    """Log, reasons and addresses are shown, never interpreted."""
    widget = view.widget
    client.backend.serving.write_log("ada", "digits", "replica-1", NASTY + "\n")
    change(client, url="javascript:alert(3)")
    client.backend.serving.fail("ada", "digits", NASTY)
    until(lambda: html(widget).count("&lt;script&gt;") == 4)  # State, two replicas, log.

    assert "<script" not in html(widget)
    assert "<img" not in html(widget)
    assert "href" not in html(widget)


def test_a_board_is_no_place_for_scripts() -> None:
    """An address that no browser should follow is text only, and quotes stay in the address."""
    assert ["text/plain"] == list(BoardView("javascript:alert(1)")._repr_mimebundle_())
    html = BoardView('/x/"><script>/')._repr_mimebundle_()["text/html"]
    assert "<script>" not in html
    assert 'src="/x/&quot;&gt;&lt;script&gt;/"' in html
