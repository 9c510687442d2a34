"""`Target`: a place where jobs run, of those that a lab service has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from .volume import Volume
from .wire import Name, Value

if TYPE_CHECKING:
    from .catalog import Image

__all__ = ("USUAL", "VOLUME_KINDS", "Target")

#: What each kind of place can make of a volume.
VOLUME_KINDS = {
    "machine": frozenset({"path", "url"}),
    "cluster": frozenset({"claim", "nfs", "csi", "url"}),
}


class Target(Value):
    """A place where a job may run. How it is reached is the administrator's, and not in it.

    Attributes:
        name: Key.
        title: What people read, such as ``GPU farm``.
        kind: ``machine``: the one that the lab service runs on. ``cluster``: of Kubernetes.
    """

    name: Name
    title: str = Field(min_length=1, max_length=100)
    kind: Literal["machine", "cluster"]

    def runs(self, image: Image) -> bool:
        """Whether a job of this image can run here: as a container, or in its environment."""
        return bool(image.container) if self.kind == "cluster" else image.state != "missing"

    def has(self, volume: Volume) -> bool:
        """Whether a volume is anything here."""
        return volume.kind in VOLUME_KINDS[self.kind]


#: The place of a job that names none, by what labs run on.
USUAL = {
    "machine": Target(name="machine", title="This machine", kind="machine"),
    "cluster": Target(name="cluster", title="This cluster", kind="cluster"),
}
