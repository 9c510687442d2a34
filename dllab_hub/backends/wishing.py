"""What is looked at in a wish before it is taken, on every backend alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidRequest, NotFound
from ..specs import Catalog, TrainingSpec
from .placing import check_place

if TYPE_CHECKING:
    from .base import Backend

__all__ = ("check_beginning", "check_offered")


def check_offered(catalog: Catalog, spec: TrainingSpec) -> None:
    """Nothing when all that a wish names is offered.

    Args:
        catalog: As it is now.
        spec: The wish.

    Raises:
        InvalidRequest: naming the field.
    """
    catalog.image(spec.image)
    for name in spec.volumes:
        catalog.volume(name)
    check_place(catalog, spec)
    if spec.replicas > catalog.max_replicas:
        most = max(range(len(spec.roles)), key=lambda n: spec.roles[n].replicas)
        raise InvalidRequest(
            f"a job may have {catalog.max_replicas} replicas at most.",
            field=f"roles.{most}.replicas",
        )


async def check_beginning(backend: Backend, owner: str, spec: TrainingSpec) -> None:
    """Nothing when the job is there whose checkpoints it is to begin with, or it names none.

    Args:
        backend: Has the job.
        owner: Whose it is.
        spec: The wish.

    Raises:
        InvalidRequest: it is not there, or its files are gone.
    """
    if spec.checkpoint_from is None:
        return
    try:
        first = await backend.get(owner, spec.checkpoint_from)
    except NotFound:
        raise InvalidRequest("you have no such job.", field="checkpoint_from") from None
    if not first.files:
        raise InvalidRequest("the files of that job are gone.", field="checkpoint_from")
