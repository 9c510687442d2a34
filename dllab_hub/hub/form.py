"""The page on which a person picks a lab: framework image, GPUs, data, TensorBoard.

It stands inside JupyterHub's own page and works without JavaScript. Nothing here decides: what it
says of GPUs is `Capacity`, what it sends is read by ``options.read_options``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2

from ..errors import InvalidRequest
from ..specs import Catalog, LabSpec
from .options import read_options

__all__ = ("Offer", "count", "forecast", "remembered", "render")


@dataclass(frozen=True)
class Offer:
    """Everything the form shows, read at one moment.

    Attributes:
        catalog: What may be picked.
        gpus: How many this machine has.
        held: How many of them are free and who holds the others, in words.
        forecasts: The sentence for each number of GPUs, from 0 to the most one may pick.
        os_users: Whether each lab runs as its person's own account.
    """

    catalog: Catalog
    gpus: int
    held: str
    forecasts: Sequence[str]
    os_users: bool

    @property
    def most_gpus(self) -> int:
        """The most GPUs one may pick."""
        return len(self.forecasts) - 1


def count(gpus: int) -> str:
    """So many GPUs, in words."""
    return "one GPU" if gpus == 1 else f"{gpus} GPUs"


def forecast(wanted: int, free: int, total: int) -> str:
    """What would happen to a wish for so many GPUs."""
    if not wanted:
        return "The lab starts now, on the CPU."
    if wanted <= free:
        return f"The lab starts now, with {count(wanted)}."
    return f"The lab would be refused now: {free} of {total} free. Choose fewer, or wait."


def remembered(options: Mapping[str, Any], offer: Offer) -> LabSpec:
    """The last choice as far as it is still offered, else what a newcomer gets.

    Each field is judged alone: a volume that is gone does not forget the image.
    """
    kept: dict[str, Any] = {}
    for field in ("image", "gpus", "tensorboard"):
        if field in options and _holds({field: options[field]}, offer):
            kept[field] = options[field]
    volumes = options.get("volumes")
    if isinstance(volumes, list):
        kept["volumes"] = [name for name in volumes if _holds({"volumes": [name]}, offer)]
    return read_options(kept, offer.catalog, offer.most_gpus)


def render(offer: Offer, options: Mapping[str, Any]) -> str:
    """The form's HTML, everything escaped.

    Args:
        offer: What to show.
        options: The last choice, as JupyterHub kept it.
    """
    choice = remembered(options, offer)
    return _template().render(
        offer=offer,
        catalog=offer.catalog,
        choice=choice,
        forecasts=json.dumps(list(offer.forecasts)),
        forecast=offer.forecasts[choice.gpus],
        any_read_only=any(volume.read_only for volume in offer.catalog.volumes),
    )


def _holds(options: dict[str, Any], offer: Offer) -> bool:
    try:
        read_options(options, offer.catalog, offer.most_gpus)
    except InvalidRequest:
        return False
    return True


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("form.html")
