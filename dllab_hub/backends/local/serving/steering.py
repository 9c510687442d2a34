"""`Steering`: what makes of one deployment what was wished for, wherever its replicas run."""

from __future__ import annotations

from typing import Protocol

from ....specs import Canary, Deployment, DeploymentSpec
from .access import AccessBook
from .deploymentdir import DeploymentDir
from .wish import Wish

__all__ = ("Steering",)


class Steering(Protocol):
    """One deployment. Its verbs are used by one thread at a time, and answer what is so then.

    Attributes:
        wish: What was wished for last.
        seen: The deployment as the last look has found it; any thread may read it.
        gone: It was deleted, and nothing of it is left.
        folder: What is kept of it.
        access: Who may ask it besides its owner; any thread may ask that.
        gpus: UUIDs of the GPUs of each replica that answers, where they are known.
        trouble_of_canary: Why no replica of the canary can be started; empty while there is hope,
            or no canary.
    """

    wish: Wish
    seen: Deployment
    gone: bool
    folder: DeploymentDir
    access: AccessBook
    gpus: tuple[tuple[str, ...], ...]

    @property
    def trouble_of_canary(self) -> str: ...

    def deploy(self, spec: DeploymentSpec, version: int) -> Deployment:
        """Another wish. The same one again only has what failed tried again at once."""
        ...

    def scale(self, replicas: int, why: str = "") -> Deployment:
        """Have so many replicas.

        Args:
            replicas: How many.
            why: Sentence; empty for somebody's wish.

        Raises:
            Conflict: it is being deleted.
            InvalidRequest: they are fewer or more than there may be by themselves.
        """
        ...

    def canary(self, canary: Canary) -> Deployment:
        """Have another version answer a part of the requests; `Conflict` where it cannot."""
        ...

    def promote(self) -> Deployment:
        """Have the canary's version answer everything; `Conflict` as of `Wish.promoted`."""
        ...

    def rollback(self, why: str = "") -> Deployment:
        """Have no canary any more; without one, serve what was served before.

        Args:
            why: Sentence; empty for somebody's wish.

        Raises:
            Conflict: as of `Wish.rolled_back`.
        """
        ...

    def replace(self, by: str) -> Deployment:
        """Have new replicas in the place of what does worst, without a failed request.

        Args:
            by: Who wants it.

        Raises:
            Conflict: there is none that could be replaced now.
        """
        ...

    def delete(self) -> Deployment:
        """Have nothing any more; `gone` in the end."""
        ...
