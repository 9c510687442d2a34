"""`Gpus`: the GPUs of this machine, as replicas take them.

They are held by the same locks as those of labs and jobs (see `leases`), which a replica's shim
inherits: they are given back when it ends, and not before, whatever becomes of the service.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ....errors import InvalidRequest, NoCapacity
from ....leases import Lease, LeaseDir
from ....specs import DeploymentSpec, ModelFormat
from ...room import gpu_shortage
from ..capacity import holders
from .gpuload import Measure

__all__ = ("Gpus",)


class Gpus:
    """Everybody's. Every verb may block for moments.

    Attributes:
        measure: Says what they do now; None where nobody does.

    Args:
        leases: The GPUs' locks.
        there: UUIDs of the GPUs there are; does not wait for a driver that hangs.
        measure: See above.
    """

    def __init__(
        self,
        leases: LeaseDir,
        there: Callable[[], Sequence[str]],
        measure: Measure | None,
    ) -> None:
        self.measure = measure
        self._leases = leases
        self._there = there

    def check(self, spec: DeploymentSpec, format: ModelFormat) -> None:
        """Refuse what can never be here.

        Args:
            spec: The wish.
            format: Of the model.

        Raises:
            InvalidRequest: one replica wants more GPUs than there are, or has no use for one; or
                nobody measures what they do.
        """
        if spec.gpus and format == "pickle":
            raise InvalidRequest(
                "estimators of scikit-learn compute on CPUs only.",
                hint="Leave it out.",
                field="gpus",
            )
        auto = spec.autoscale
        if auto is not None and auto.signal == "gpu" and self.measure is None:
            raise InvalidRequest(
                "nobody measures GPUs here.", hint="Use inflight.", field="autoscale.signal"
            )
        if spec.gpus and spec.gpus > (total := len(self._there())):
            there = f"there are {total}" if total > 1 else f"there is {'one' if total else 'none'}"
            raise InvalidRequest(
                f"each replica is to have {_counted(spec.gpus)} and {there} on this machine.",
                hint="Choose fewer.",
                field="gpus",
            )

    def take(self, count: int, owner: str, name: str, id: str) -> Lease:
        """Take GPUs for a replica, the ones that the owner's labs lend among them.

        Args:
            count: How many.
            owner: Whose the deployment is.
            name: Of the deployment.
            id: Of the deployment; the mark of its processes begins with it.

        Raises:
            NoCapacity: too few are free; the message says who holds them.
            StorageFull: there is no room to say who holds them.
            Unavailable: the locks are in use by a process that does not move.
        """
        if not count:
            return Lease((), ())
        there = tuple(self._there())
        holder = {"kind": "deployment", "owner": owner, "name": name, "id": id}
        try:
            return self._leases.take(there, count, holder, borrow=True)
        except NoCapacity as exc:
            held = tuple(holders(self._leases, there).values())
            why = gpu_shortage(owner, count, len(there), held)
            # Those that would do are out of use, or were free a moment too late.
            raise NoCapacity(why or f"waiting: {exc.message}") from None


def _counted(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"
