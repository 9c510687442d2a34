"""The form on which a person picks a lab, as HTML.

It stands inside JupyterHub's own page and works without JavaScript. Nothing here decides: what it
says of GPUs are `Forecast`s, what it sends is read by ``options.read_options``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from ..specs import MAX_WAIT, Catalog, Forecast, Image
from .choice import Choice, Lost, remembered
from .words import COOKIE, FIELDS, Words

__all__ = ("Framework", "Offer", "Place", "compile_page", "frameworks", "render")

#: Minutes to choose from for a lab that waits for GPUs.
_WAITS = (0, 5, 15, 60, 240, MAX_WAIT)


@dataclass(frozen=True)
class Offer:
    """Everything the form shows, read at one moment.

    Attributes:
        catalog: What this person may pick.
        gpus: How many GPUs this machine has; None where nobody knows, as on a cluster.
        held: How many of them are free and who holds the others, in words; may be empty.
        forecasts: For each GPU type ("" for any) what would happen with 0, 1, 2, ... GPUs; more
            than the last one can never start. Empty where nobody can say.
        os_users: Whether each lab runs as its person's own account.
        shared: Where CPUs and memory are nobody's choice: a sentence on what labs share.
        lends: Whether a lab can lend its GPUs.
    """

    catalog: Catalog
    gpus: int | None
    held: str
    forecasts: Mapping[str, Sequence[Forecast]]
    os_users: bool
    shared: str = ""
    lends: bool = True

    @property
    def most_gpus(self) -> int:
        """The most GPUs one may pick, of whatever type."""
        if self.forecasts:
            possible = (n for n, each in self._numbered() if each.answer != "never")
            return max(possible, default=0)
        limits = (self.catalog.max_gpus, self.catalog.max_gpus_per_user, self.gpus)
        return min(n for n in limits if n is not None)

    def _numbered(self) -> Iterator[tuple[int, Forecast]]:
        for each in self.forecasts.values():
            yield from enumerate(each)


@dataclass(frozen=True)
class Place:
    """Which of a person's labs the form is for.

    Attributes:
        url: Path of the form of the first lab; others have theirs below it.
        home: Path of the page that lists a person's labs.
        server: Name of this one; empty for the first.
        running: Names of those that run.
        named: Whether there may be several.
    """

    url: str = ""
    home: str = ""
    server: str = ""
    running: tuple[str, ...] = ()
    named: bool = False


@dataclass(frozen=True)
class Framework:
    """Images of one framework: one card.

    Attributes:
        title: What their titles have in common, such as ``PyTorch``.
        images: In the catalog's order.
        description: Of all of them; empty where they differ.
    """

    title: str
    images: tuple[Image, ...]
    description: str = field(default="")


def frameworks(images: Sequence[Image], first: str = "") -> list[Framework]:
    """Images as cards, each framework where its first image stands.

    Args:
        images: In the catalog's order.
        first: Name of the image whose framework comes before all others.
    """
    groups: dict[str, list[Image]] = {}
    for image in images:
        groups.setdefault(image.framework.lower() or image.name, []).append(image)
    found = []
    for group in sorted(groups.values(), key=lambda group: first not in {i.name for i in group}):
        said = {image.description for image in group}
        title = group[0].title
        if len(group) > 1:
            # "PyTorch 2.13" of version 2.13.0.
            title = re.sub(r"\s+v?[0-9][0-9.]*\Z", "", title)
        found.append(Framework(title, tuple(group), said.pop() if len(said) == 1 else ""))
    return found


def render(
    offer: Offer,
    options: object,
    language: str = "en",
    *,
    place: Place | None = None,
    typed: Mapping[str, Any] | None = None,
) -> str:
    """The form's HTML, everything escaped.

    Args:
        offer: What to show.
        options: The last choice, as JupyterHub kept it.
        language: A key of `words.LANGUAGES`.
        place: Which lab it is for.
        typed: The fields of a form that was refused: shown as they were typed.
    """
    spec, lost = remembered(options, offer.catalog, offer.gpus)
    choice = Choice.of(spec) if typed is None else Choice.typed(typed)
    words = Words(language)
    forecasts = {
        kind: [
            {"answer": f.answer, "message": words.say(f.message), "smaller": f.smaller}
            for f in each
        ]
        for kind, each in offer.forecasts.items()
    }
    return _template().render(
        offer=offer,
        catalog=offer.catalog,
        choice=choice,
        place=place or Place(),
        t=words,
        held=words.say(offer.held),
        frameworks=frameworks(offer.catalog.images, offer.catalog.default_image),
        lost=[_lost(words, item) for item in lost] if typed is None else [],
        forecasts=forecasts,
        forecast=_chosen(choice, forecasts),
        runs=_runs(forecasts),
        waits=_WAITS,
        idle=_idle(offer.catalog),
        idle_default=_idle_default(words, offer.catalog, spec.gpus),
        any_read_only=any(volume.read_only for volume in offer.catalog.volumes),
        script={
            "forecasts": forecasts,
            "running": (place or Place()).running,
            "url": (place or Place()).url,
            "cookie": COOKIE,
            "gpu_idle": offer.catalog.idle_limit(1),
            "idle_words": [_idle_default(words, offer.catalog, gpus) for gpus in (0, 1)],
            "words": {key: words(text) for key, text in _SAID_BY_SCRIPT.items()},
        },
    )


#: What the script says; ``{}`` holes are filled there.
_SAID_BY_SCRIPT = {
    "choose": "Choose from 0 to {n}.",
    "too_many": "Can never start here: choose from 0 to {n}.",
    "smaller": "Take {n} instead",
    "cpu": "Use the CPU instead",
    "running": "A lab of this name is running: choose another name.",
    "copied": "Copied.",
    "copy": "Copy this link:",
    "strange": "The link asks for something that is not offered here: {names}.",
    "key": "Your SSH key is not part of a link.",
    "code": "What brings code along does not start by itself: it shows the form first.",
    "custom": "Your own",
    "gpu": "one GPU",
    "gpus": "{n} GPUs",
    "none": "CPU",
    "no_match": "No image has all of these words.",
}


def _lost(words: Words, item: Lost) -> str:
    names = ", ".join(item.names)
    if item.field == "image":
        return words("Your last image, {names}, is no longer offered: choose another.", names=names)
    if item.field == "volumes":
        return words("These volumes are no longer offered: {names}.", names=names)
    if item.field == "gpus":
        return words("Your last choice of {names} GPUs is more than is offered now.", names=names)
    label = words(FIELDS.get(item.field, item.field))
    return words("Your last choice is no longer offered: {label}.", label=label)


def _chosen(choice: Choice, forecasts: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any] | None:
    each = forecasts.get(choice.gpu_type, forecasts.get("", []))
    if not each or not re.fullmatch(r"[0-9]{1,6}", choice.gpus):
        return None
    gpus = int(choice.gpus)
    if gpus < len(each):
        return each[gpus]
    return each[-1] if each[-1]["answer"] == "never" else None


def _runs(
    forecasts: Mapping[str, list[dict[str, Any]]],
) -> Iterator[tuple[str, list[tuple[int, int, str]]]]:
    """Each type's forecasts for those without a script, neighbours that are alike as one."""
    for kind, each in forecasts.items():
        runs = []
        for message, run in itertools.groupby(enumerate(each), lambda item: item[1]["message"]):
            numbers = [number for number, _ in run]
            runs.append((numbers[0], numbers[-1], str(message)))
        yield kind, runs


def _idle(catalog: Catalog) -> list[int]:
    """The idle limits that may be chosen; how GPUs narrow them is the script's to show."""
    limit = catalog.idle_limit(0)
    return [n for n in catalog.idle if (0 < n <= limit if limit else True)]


def _idle_default(words: Words, catalog: Catalog, gpus: int) -> str:
    limit = catalog.idle_limit(gpus)
    if limit:
        return words("The longest allowed: {time}", time=words.minutes(limit))
    return words("The default: never")


def compile_page() -> None:
    """Do now, when a hub starts, what its first visitor would wait for; later calls are free."""
    _template()


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["source"] = _source
    return environment.get_template("form.html")


@cache
def _source(name: str) -> Markup:
    """A file beside the form, as it stands."""
    loader = jinja2.PackageLoader(__package__, "templates")
    return Markup(loader.get_source(jinja2.Environment(autoescape=True), name)[0])  # noqa: S704
