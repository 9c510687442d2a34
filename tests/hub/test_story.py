"""What the page that waits is told, and its buttons."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from dllab_hub import diagnosis
from dllab_hub.hub.options import from_query, read_options
from dllab_hub.hub.story import Links, Story, buttons
from dllab_hub.hub.words import Words
from dllab_hub.specs import Catalog, Forecast, Image, LabSpec, Volume

LINKS = Links(form="/hub/spawn/ada/x", home="/hub/home")
CATALOG = Catalog(
    images=(Image(name="pytorch", title="P", framework="pytorch", version="2"),),
    volumes=(Volume(name="a", title="A", path="/a"), Volume(name="b", title="B", path="/b")),
    default_image="pytorch",
)
SPEC = LabSpec(
    image="pytorch", gpus=3, volumes=("a", "b"), tensorboard=False, requirements=("x>1", "y"),
    idle=60, wait=5, lend=True,
)  # fmt: skip
TAKEN = Forecast(answer="wait", message="Has to wait: <b>none</b> of 4.", smaller=2)


def test_a_link_starts_the_same_lab_changed() -> None:
    """What a button starts is the wish with one number changed, read like any other link."""
    plain = SPEC.model_copy(update={"requirements": ()})
    query = parse_qs(urlsplit(LINKS.start(plain, gpus=1)).query)

    assert plain.model_copy(update={"gpus": 1}) == read_options(from_query(query), CATALOG, 4)


@pytest.mark.parametrize(
    "wish",
    [
        SPEC,
        LabSpec(image="custom", custom="/srv/mine", gpus=3),
        LabSpec(image="pytorch", ssh=True, ssh_key="ssh-ed25519 AAAA", gpus=3),
    ],
)
def test_code_and_keys_go_through_the_form(wish: LabSpec) -> None:
    """A button leads to the form then, filled in with all that was picked, but for the key."""
    page, _, filled = LINKS.start(wish, gpus=1).partition("#")
    fields = parse_qs(filled, keep_blank_values=True)

    assert "/hub/spawn/ada/x" == page
    assert ["1"] == fields["gpus"]
    assert set(LabSpec.model_fields) - {"ssh_key"} == set(fields)
    assert list(wish.volumes) or [""] == fields["volumes"]


def test_buttons_are_links_and_everything_is_escaped() -> None:
    """Smaller, CPU, wait, cancel; whatever a message holds stays text."""
    story = Story(Words())
    found = diagnosis.no_free_gpu(3, TAKEN)
    html = story.html(found.message, buttons(found, SPEC, LINKS, Words(), waiting=True))

    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    for remedy, text in (
        ("smaller", "Start with 2 GPUs"),
        ("cpu", "Start on the CPU"),
        ("wait", "Keep waiting"),
        ("cancel", "Cancel"),
    ):
        assert f'data-dllab="{remedy}"' in html
        assert f">{text}</a>" in html


async def test_every_page_gets_the_whole_story() -> None:
    """Late pages read what was said before; the same again is no news."""
    story = Story(Words())
    story.say("one", 5)
    story.say("one", 5)

    async def read() -> list[str]:
        found = []
        async for event in Story.follow(lambda: story):
            found.append(f"{event['message']} {event['progress']}")
            if len(found) == 3:
                return found
        return found

    pages = [asyncio.create_task(read()) for _ in range(2)]
    await asyncio.sleep(0)
    story.say("two")
    story.tell(diagnosis.no_free_gpu(3, TAKEN), "Since 14:05.", "")
    told = await asyncio.gather(*pages)

    assert told[0] == told[1]
    assert ["one 5", "two 5"] == told[0][:2]
    assert told[0][2].endswith("Since 14:05. 5")


async def test_a_page_that_came_before_the_start() -> None:
    """Who follows before the start tells anything, goes on with the story of that start."""
    stories = [Story(Words())]
    events = Story.follow(lambda: stories[-1])
    first = asyncio.create_task(anext(events))
    await asyncio.sleep(0.05)
    stories.append(Story(Words()))
    stories[-1].say("Checking what you picked", 5)

    event = await asyncio.wait_for(first, 5)

    assert ("Checking what you picked", 5) == (event["message"], event["progress"])
