"""Where a job is to run: the place that it names, and whether what it names exists there."""

from __future__ import annotations

from ..errors import InvalidRequest
from ..specs import USUAL, Catalog, Target, TrainingSpec

__all__ = ("check_place", "place_of")


def place_of(catalog: Catalog, name: str | None) -> Target:
    """The place of this name; the usual one for None.

    Raises:
        InvalidRequest: there is none; it lists the names there are.
    """
    places = catalog.targets or (USUAL[catalog.target],)
    if name is None:
        return places[0]
    for place in places:
        if place.name == name:
            return place
    names = ", ".join(place.name for place in places)
    hint = f"Choose one of: {names}." if catalog.targets else "There is one only: leave it out."
    raise InvalidRequest("there is no such place.", hint=hint, field="target")


def check_place(catalog: Catalog, spec: TrainingSpec) -> None:
    """Nothing when image and volumes of a wish exist where it is to run.

    Args:
        catalog: Knows them.
        spec: The wish.

    Raises:
        InvalidRequest: naming the field, and what would do there.
    """
    place = place_of(catalog, spec.target)
    if not catalog.targets:
        return  # There is one place, and all that is offered is there.
    if not place.runs(catalog.image(spec.image)):
        there = ", ".join(image.name for image in catalog.images if place.runs(image))
        raise InvalidRequest(
            f"{spec.image} cannot run on {place.name}.",
            hint=f"There: {there}." if there else "No image can: choose another place.",
            field="image" if there else "target",
        )
    for name in spec.volumes:
        if not place.has(catalog.volume(name)):
            found = ", ".join(each.name for each in catalog.volumes if place.has(each))
            raise InvalidRequest(
                f"{name} is not there on {place.name}.",
                hint=f"There: {found or 'none'}.",
                field="volumes",
            )
