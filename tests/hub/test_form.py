"""The login form's HTML: what it offers, predicts and remembers."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from dllab_hub.hub.form import Offer, remembered, render
from dllab_hub.specs import Catalog, Image, Volume

EVIL = "<script>alert('x')</script>\"'"


def offer(gpus: int = 2, *, os_users: bool = False, text: str = "D") -> Offer:
    return Offer(
        catalog=Catalog(
            images=(
                Image(name="a", title="A", framework="a", version="1", description=text),
                Image(name="b", title=text, framework="b", version="1"),
            ),
            volumes=(
                Volume(name="raw", title=text, path="/srv/raw", read_only=True),
                Volume(name="mine", title="Mine", path="/srv/mine"),
            ),
            default_image="a",
        ),
        gpus=gpus,
        held=f"1 of {gpus} is free; held by your lab '{text}'",
        forecasts=[f"sentence {n}" for n in range(gpus + 1)],
        os_users=os_users,
    )


class Inputs(HTMLParser):
    """Name, value and checkedness of the inputs of a form."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "input":
            self.found.append(dict(attrs))

    @property
    def sent(self) -> dict[str, list[str | None]]:
        """What a browser without JavaScript would send."""
        data: dict[str, list[str | None]] = {}
        for field in self.found:
            if field["type"] not in {"radio", "checkbox"} or "checked" in field:
                data.setdefault(str(field["name"]), []).append(field["value"])
        return data


def test_a_newcomer_gets_the_defaults() -> None:
    """Default image, no GPU, no data, TensorBoard."""
    expected = {"form": ["1"], "image": ["a"], "gpus": ["0"], "tensorboard": ["on"]}

    assert expected == Inputs(render(offer(), {})).sent


def test_the_last_choice_is_preselected() -> None:
    """What was accepted last time is picked again."""
    last = {"image": "b", "gpus": 2, "volumes": ["mine"], "tensorboard": False}
    html = render(offer(), last)

    expected = {"form": ["1"], "image": ["b"], "gpus": ["2"], "volumes": ["mine"]}
    assert expected == Inputs(html).sent
    assert ">sentence 2<" in html


def test_what_is_gone_is_forgotten_alone() -> None:
    """A volume or GPU count that is not offered any more takes nothing else with it."""
    last: dict[str, Any] = {"image": "b", "gpus": 9, "volumes": ["mine", "gone", 3], "x": "y"}

    choice = remembered(last, offer())

    assert (choice.image, choice.gpus, choice.volumes) == ("b", 0, ("mine",))


def test_texts_are_escaped() -> None:
    """No title, description or holder can bring markup into the page."""
    html = render(offer(text=EVIL), {})

    assert EVIL not in html
    assert html.count("<script>") == 1
    assert "&lt;script&gt;alert" in html


def test_a_machine_without_gpu_is_a_normal_state() -> None:
    """There is a sentence instead of a stepper, and the form still sends a number."""
    html = render(offer(0), {})

    assert "This machine has no NVIDIA GPU, so labs run on the CPU." in html
    assert Inputs(html).sent["gpus"] == ["0"]
    assert 'type="number"' not in html


def test_read_only_is_told_honestly() -> None:
    """In single-user mode the form says that nothing enforces it."""
    assert "nothing prevents it" in render(offer(), {})
    assert "nothing prevents it" not in render(offer(os_users=True), {})
    assert "read-only</span>" in render(offer(), {})


def test_nothing_is_loaded_from_elsewhere() -> None:
    """The page needs no asset of another host."""
    assert re.findall(r"(?:src|href)=", render(offer(), {})) == []


def test_every_input_has_a_name_that_a_screen_reader_says() -> None:
    """Each visible input is inside a label, has one by id, or is labelled by the legend."""
    html = render(offer(), {})
    nameless = [
        field
        for field in Inputs(html).found
        if field["type"] not in {"hidden", "radio"}  # The cards are labels.
        and f'for="{field.get("id")}"' not in html
        and not field.get("aria-labelledby")
    ]

    assert nameless == []
