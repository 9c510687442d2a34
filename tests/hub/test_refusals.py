"""Labs that do not start, through a real hub: what the person is told, and that nothing is left."""

from __future__ import annotations

import html
import json
import re
import time
from typing import Any

import pytest
from running_hub import GPUS, RunningHub, until

from dllab_hub.leases import LeaseDir

UUIDS = [f"GPU-00000000-0000-0000-0000-{n:012d}" for n in range(GPUS)]

BAD: list[tuple[Any, str]] = [
    ({"gpus": "-1"}, "gpus: must be 0 or more."),
    ({"gpus": "1.5"}, "gpus: must be a whole number, such as 1."),
    ({"gpus": GPUS + 1}, f"gpus: this machine has {GPUS} GPUs. Choose from 0 to {GPUS}."),
    ({"image": "nonesuch"}, "image: there is no such image. Choose one of: pytorch"),
    ({"volumes": ["imagenet"]}, "volumes: there is no such volume. Choose from: digits."),
    ({"volumes": "digits"}, "volumes: should be a valid array."),
    ({"image": ["pytorch"]}, "image: takes one value, not several."),
    ({"shell": "/bin/sh"}, "shell: there is no such key. Known keys:"),
    ({"gpu": 1}, "gpu: there is no such key. Did you mean gpus?"),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=[json.dumps(b[0]) for b in BAD])
def test_a_bad_wish_is_answered_at_once(hub: RunningHub, options: Any, said: str) -> None:
    """REST gets 400 with field and fix in less than a second, and nothing was made."""
    hub.add("bad")
    began = time.monotonic()

    answer = hub.spawn("bad", options)

    assert 1 > time.monotonic() - began
    assert (400, True) == (answer.status_code, said in answer.json()["message"]), answer.text
    assert hub.server("bad") is None
    assert not (hub.state.labs / "bad").exists()
    assert not (hub.state.homes / "bad").exists()


def test_the_page_says_the_same_and_forgets_it(hub: RunningHub) -> None:
    """A rejected form comes back with one sentence, and is neither preselected nor saved."""
    session = hub.session("picky")
    answer = session.http.post(
        "/hub/spawn/picky",
        data={"form": "1", "image": "pytorch", "gpus": "77", "_xsrf": session.xsrf("/hub/spawn")},
    )
    page = session.form()
    link = session.http.get("/hub/spawn?opt-gpus=-3")

    alert = re.search(r"spawn-error-msg[^>]*>([^<]*)<", answer.text)
    assert alert
    assert f"Error: gpus: this machine has {GPUS} GPUs. Choose from 0 to {GPUS}." == (
        html.unescape(alert[1]).strip()
    )
    assert (400, 400) == (answer.status_code, link.status_code)
    assert "gpus: must be 0 or more." in link.text
    assert 'value="77"' not in page
    assert "Refused" not in answer.text
    assert {} == hub.server("picky") or hub.server("picky") is None


def test_an_unknown_key_in_a_link_is_refused(hub: RunningHub) -> None:
    """A ``?opt-`` link goes through the same reading."""
    page = hub.session("picky").http.get("/hub/spawn?opt-immage=pytorch")

    assert 400 == page.status_code
    assert "immage: there is no such key. Did you mean image?" in html.unescape(page.text)


def test_a_server_that_cannot_start_says_why(hub: RunningHub) -> None:
    """A lab whose server ends at once is given up at once, with the last thing that it said."""
    config = hub.state.homes / "doomed" / ".jupyter" / "jupyter_server_config.py"
    config.parent.mkdir(parents=True)
    config.write_text("raise SystemExit('broken by its owner')\n")
    began = time.monotonic()
    hub.spawn("doomed", {"image": "pytorch", "gpus": 1})
    until(lambda: hub.server("doomed") is None, 60)

    assert hub.server("doomed") is None
    assert 60 > time.monotonic() - began
    # All of the log: on a busy machine its end is full of our own questions.
    said = (hub.home / "hub" / "hub.log").read_text()
    assert "ended while it started: broken by its owner" in said
    assert {None} == set(LeaseDir(hub.state.leases).held(UUIDS).values())
