"""What the places of a catalog ask of what it offers, and what of it labs can be made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..errors import InvalidRequest
from .catalog import Catalog
from .target import USUAL, VOLUME_KINDS, Target

__all__ = ("check_places", "for_labs", "targets_in")


def targets_in(
    entries: Sequence[Mapping[str, Any]], usual: Literal["machine", "cluster"]
) -> tuple[Target, ...]:
    """The usual place and those that the administrator names beside it; none without any.

    How they are reached is left out: it is nobody's business who only runs jobs there.

    Args:
        entries: In the shape of ``[[targets]]``.
        usual: What labs run on.

    Raises:
        InvalidRequest: one has no name, or one that another has.
    """
    found = [USUAL[usual]]
    for index, entry in enumerate(entries):
        try:
            about = {key: entry[key] for key in ("name", "title") if key in entry}
            target = Target.from_wire({"title": about.get("name"), **about, "kind": "cluster"})
        except InvalidRequest as exc:
            # Without a title its name is one: what is wrong is the name.
            field = exc.field if exc.field in entry else "name"
            raise InvalidRequest(
                exc.message, hint=exc.hint, field=f"targets.{index}.{field}"
            ) from exc
        if target.name in {other.name for other in found}:
            taken = target.name == found[0].name
            raise InvalidRequest(
                "is the name of the usual place." if taken else "is there twice.",
                field=f"targets.{index}.name",
            )
        found.append(target)
    return tuple(found) if entries else ()


def check_places(catalog: Catalog) -> None:
    """Refuse what none of the places can make anything of.

    Raises:
        InvalidRequest: naming the field.
    """
    machine = catalog.target == "machine"
    kinds = set[str]().union(*(VOLUME_KINDS[t.kind] for t in catalog.targets or _usual(catalog)))
    on = "a cluster" if not machine else "any of the places" if catalog.targets else "one machine"
    for index, volume in enumerate(catalog.volumes):
        if volume.kind not in kinds:
            raise InvalidRequest(
                f"is nothing that {on} has.",
                hint=f"Known here: {', '.join(sorted(kinds))}.",
                field=f"volumes.{index}.{volume.kind}",
            )
        if machine and volume.mount and USUAL["machine"].has(volume):
            raise InvalidRequest(
                "cannot be chosen on one machine: volumes appear as data/<name>.",
                field=f"volumes.{index}.mount",
            )
    for field in ("cpus", "memory"):
        if machine and getattr(catalog, field):
            raise InvalidRequest("cannot be offered: all labs share this machine.", field=field)
    if not USUAL[catalog.target].runs(catalog.image(catalog.default_image)):
        raise InvalidRequest("cannot be: no lab of it can start here.", field="default_image")


def for_labs(catalog: Catalog) -> Catalog:
    """What labs may be made of: without what only jobs elsewhere can use."""
    here = USUAL[catalog.target]
    return catalog.model_copy(
        update={
            "targets": (),
            "images": tuple(image for image in catalog.images if here.runs(image)),
            "volumes": tuple(volume for volume in catalog.volumes if here.has(volume)),
        }
    )


def _usual(catalog: Catalog) -> tuple[Target, ...]:
    return (USUAL[catalog.target],)
