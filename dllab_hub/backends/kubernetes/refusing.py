"""What a cluster does not take, in words for people."""

from __future__ import annotations

from ...errors import InvalidRequest
from ...specs import Catalog, Finding, Preflight, TrainingSpec
from .trouble import Refused

__all__ = ("check_spec", "looked", "refused")


def check_spec(spec: TrainingSpec, catalog: Catalog) -> None:
    """Refuse what a cluster would do otherwise, without a word, or not at all.

    Args:
        spec: The wish.
        catalog: Knows the volumes.

    Raises:
        InvalidRequest: naming the field.
    """
    if spec.priority:
        raise InvalidRequest(
            "on a cluster its own queue decides who goes first.",
            hint="Leave it out, or ask the administrator.",
            field="priority",
        )
    if spec.on_stall == "relaunch":
        raise InvalidRequest(
            "a job that has fallen silent is not relaunched on a cluster.",
            hint="Use alert, and cancel and resume it yourself.",
            field="on_stall",
        )
    for name in spec.volumes:
        if catalog.volume(name).kind == "nfs":
            # The Pod Security Standard "restricted" admits no such volume.
            raise InvalidRequest(
                f"{name} is mounted by labs only.",
                hint="The administrator can offer it to jobs as a claim.",
                field="volumes",
            )


def looked(*, deep: bool) -> Preflight:
    """What a look at the code has found here; its syntax was looked at before.

    Args:
        deep: Whether what it imports was to be tried.
    """
    said = "what it imports is not tried: the image is on the cluster, not here."
    finding = Finding(check="limits", severity="warning", message=said)
    return Preflight(findings=(finding,) if deep else (), seconds=0.0)


def refused(exc: Refused) -> InvalidRequest:
    """What the API server, or one of its rules, said about a JobSet."""
    return InvalidRequest(
        f"the cluster refuses this job: {exc.said or exc.message}",
        hint="Change what it says, or show it to the administrator.",
    )
