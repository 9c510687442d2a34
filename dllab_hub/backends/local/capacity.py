"""What GPUs of this machine are free, who holds the others, and what a wish would meet."""

from __future__ import annotations

from collections.abc import Sequence

from ...leases import LeaseDir
from ...specs import Capacity, Holder

__all__ = ("capacity", "holders")


def capacity(leases: LeaseDir, gpus: Sequence[str], owner: str, wanted: int | None) -> Capacity:
    """What ``owner`` may know. Looks at the locks themselves: call it in a thread.

    Args:
        leases: Of this machine.
        gpus: UUIDs of all its GPUs.
        owner: Who asks; names of other people's things are left out.
        wanted: How many GPUs are wished for, or None without a wish.
    """
    return Capacity.of(owner, len(gpus), holders(leases, gpus).values(), wanted)


def holders(leases: LeaseDir, gpus: Sequence[str]) -> dict[str, Holder]:
    """Who holds each GPU that is not free, with all names."""
    return {uuid: _holder(about) for uuid, about in leases.held(gpus).items() if about is not None}


def _holder(about: dict[str, str]) -> Holder:
    try:
        known = ("kind", "owner", "name", "id")
        return Holder.from_wire({key: about[key] for key in known if key in about})
    except ValueError:
        return Holder(kind="job")  # Held, and the note that says by whom is unreadable.
