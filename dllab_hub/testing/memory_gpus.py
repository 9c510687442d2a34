"""`MemoryGpus`: GPUs that are only numbers, and who holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import NotFound
from ..specs import Holder

__all__ = ("MemoryGpus",)


class MemoryGpus:
    """The GPUs of a `MemoryBackend`.

    Args:
        uuids: Of the GPUs there are.
    """

    def __init__(self, uuids: Sequence[str]) -> None:
        self.uuids = tuple(uuids)
        self._labs: dict[str, Holder] = {}  # That a test made up.

    def hold(self, uuid: str, holder: Holder | None) -> None:
        """Say that a lab or somebody's job holds a GPU; None gives it back."""
        if holder is None:
            self._labs.pop(uuid, None)
        else:
            self._labs[uuid] = holder

    def lend(self, owner: str, lab: str, lend: bool) -> None:
        """Whether a lab's GPUs may be borrowed.

        Raises:
            NotFound: the owner has no such lab with GPUs.
        """
        found = {
            uuid: holder.model_copy(update={"lend": lend})
            for uuid, holder in self._labs.items()
            if (holder.kind, holder.owner, holder.id) == ("lab", owner, lab)
        }
        if not found:
            raise NotFound("you have no such lab with GPUs.", field="lab")
        self._labs |= found

    def holders(self, jobs: Mapping[str, Holder]) -> dict[str, Holder]:
        """Who holds each GPU that is not free.

        Args:
            jobs: The job on each GPU that has one, by UUID.
        """
        lent = {
            uuid: self._labs[uuid].model_copy(update={"lent_to": job})
            for uuid, job in jobs.items()
            if uuid in self._labs
        }
        return {**self._labs, **jobs, **lent}

    def usable(self, owner: str, held: Mapping[str, Holder]) -> list[str]:
        """UUIDs that a job of ``owner`` could have now: free ones first, then what is lent.

        Args:
            owner: Person.
            held: As in `holders`.
        """
        free = [uuid for uuid in self.uuids if uuid not in held]
        loans = [
            uuid
            for uuid, holder in held.items()
            if (holder.kind, holder.owner, holder.lend) == ("lab", owner, True)
            and holder.lent_to is None
        ]
        return free + loans
