"""`Story`: what happens while a lab starts, as the page that waits for it shows it."""

from __future__ import annotations

import asyncio
import contextlib
import html
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from ..specs import Diagnosis, LabSpec, Remedy
from .options import brings_code
from .words import Words

__all__ = ("Links", "Story", "buttons")

_FLAGS = ("tensorboard", "ssh", "lend")
#: Seconds until a page that has heard nothing looks whether another story is told.
_LOOK_AGAIN = 0.5


@dataclass(frozen=True)
class Links:
    """Where the buttons lead to.

    A link carries the whole wish but no key. What brings code along does not start by itself: there
    and with SSH it leads to the form, filled in.

    Attributes:
        form: Path of this lab's form.
        home: Path of the page that lists a person's labs.
    """

    form: str
    home: str

    def start(self, spec: LabSpec, **changes: Any) -> str:
        """A link that starts this lab, changed like that."""
        wish = {**spec.to_wire(), **changes}
        wish.pop("ssh_key")
        if spec.ssh or brings_code(wish):
            # What is empty too: the form may remember something else.
            empty = [(name, "") for name, value in wish.items() if _is_empty(value)]
            return f"{self.form}#{urlencode([*_texts(wish), *empty])}"
        return f"{self.form}?{urlencode([(f'opt-{name}', text) for name, text in _texts(wish)])}"


def buttons(
    diagnosis: Diagnosis, spec: LabSpec, links: Links, words: Words, *, waiting: bool = False
) -> str:
    """What can be done about it, as HTML; a link each, so that it works wherever it is shown.

    ``data-dllab`` tells the page that waits to stop the start before it follows one.

    Args:
        diagnosis: What is in the way.
        spec: What was picked.
        links: Of the lab.
        words: In the person's language.
        waiting: Whether it waits now, and goes on by itself when nothing is pressed.
    """
    made: list[tuple[Remedy, str, str]] = []
    for remedy in diagnosis.remedies:
        if remedy is Remedy.SMALLER and diagnosis.gpus:
            text = words("Start with {gpus}", gpus=words.gpus(diagnosis.gpus))
            made.append((remedy, links.start(spec, gpus=diagnosis.gpus), text))
        elif remedy is Remedy.CPU and spec.gpus:
            href = links.start(spec, gpus=0, gpu_type="", lend=False)
            made.append((remedy, href, words("Start on the CPU")))
        elif remedy is Remedy.WAIT:
            text = words("Keep waiting") if waiting else words("Wait for it")
            made.append((remedy, links.start(spec, wait=spec.wait or 60), text))
        elif remedy is Remedy.RETRY:
            made.append((remedy, links.start(spec), words("Try again")))
        elif remedy is Remedy.CANCEL:
            made.append((remedy, links.home, words("Cancel")))
    return "".join(
        f' <a class="btn btn-sm {_look(remedy)}" data-dllab="{remedy}" href="{html.escape(href)}">'
        f"{html.escape(text)}</a>"
        for remedy, href, text in made
    )


@dataclass
class Story:
    """Grows while a lab starts; any number of pages follow it.

    Attributes:
        words: Of the person's language.
    """

    words: Words = field(default_factory=Words)
    _events: list[dict[str, Any]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _percent: int = 0

    def say(self, message: str, percent: int | None = None) -> None:
        """Tell what is being done now; the same again is no news.

        Args:
            message: A plain sentence, without the dot at its end.
            percent: How far the whole start is.
        """
        self._percent = max(self._percent, percent or 0)
        self._add(message, "")

    def tell(self, diagnosis: Diagnosis, more: str, html_buttons: str) -> None:
        """Tell what it waits for.

        Args:
            diagnosis: The cause.
            more: Another sentence, such as since when; may be empty.
            html_buttons: Of `buttons`.
        """
        said = " ".join(text for text in (diagnosis.message, more) if text)
        self._add(said, html_buttons)

    def html(self, english: str, html_buttons: str) -> str:
        """A sentence in the person's language with its buttons."""
        return (
            f'<span class="dllab-why">{html.escape(self.words.say(english))}</span>'
            f'<span class="dllab-remedies">{html_buttons}</span>'
        )

    @staticmethod
    async def follow(current: Callable[[], Story]) -> AsyncIterator[dict[str, Any]]:
        """All events from the beginning and without end, as JupyterHub wants them.

        Args:
            current: The newest story. A page often comes before the start that it waits for has
                begun to tell: it goes on with the story that comes then.
        """
        story, shown = current(), 0
        while True:
            if current() is not story:
                story, shown = current(), 0
            news = story._news
            for event in story._events[shown:]:
                shown += 1
                yield dict(event)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN):
                    await news.wait()

    def _add(self, english: str, html_buttons: str) -> None:
        message = self.words.say(english)
        event: dict[str, Any] = {"progress": self._percent, "message": message}
        if html_buttons:
            event["html_message"] = self.html(english, html_buttons)
        if self._events and self._events[-1] == event:
            return
        self._events.append(event)
        self._news.set()
        self._news = asyncio.Event()


def _texts(wish: dict[str, Any]) -> list[tuple[str, str]]:
    """A wish as the fields of a form; what is not set is left out."""
    found: list[tuple[str, str]] = []
    for name, value in wish.items():
        if _is_empty(value):
            continue
        if name == "volumes":
            found += [(name, str(item)) for item in value]
        elif name == "requirements":
            found.append((name, "\n".join(value)))
        elif name in _FLAGS:
            found.append((name, "on" if value else "off"))
        else:
            found.append((name, f"{value:g}" if isinstance(value, float) else str(value)))
    return found


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], ())


def _look(remedy: Remedy) -> str:
    if remedy is Remedy.CANCEL:
        return "btn-outline-secondary"
    return "btn-primary" if remedy in (Remedy.SMALLER, Remedy.RETRY) else "btn-outline-primary"
