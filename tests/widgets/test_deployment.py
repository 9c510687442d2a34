"""The view of one deployment, and TensorBoard's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from widget_looks import html, press, until

from dllab_hub.deployed import Deployed
from dllab_hub.errors import Unavailable
from dllab_hub.specs import DeploymentState, Traffic
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
