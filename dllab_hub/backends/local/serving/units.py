"""`Units`: makes the processes of one deployment, and knows what each of them is started with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ....specs import ModelFormat
from ....state import StateDir
from ...calls import MAX_CALL_BYTES
from ..account import Account
from ..shims import Shims
from .balancer import Balancer
from .deploymentdir import BALANCER, DeploymentDir
from .fleet import Crew
from .front import Front
from .gpus import Gpus
from .models import Models
from .replica import Replica
from .sockets import make_folder
from .unit import Unit
from .wish import Wish

__all__ = ("Units",)


class Units:
    """Of one deployment.

    Args:
        state: Where everything lies.
        folder: Of the deployment.
        wish: Of it; only what never changes is used.
        account: Whom they run as.
        models: The published ones.
        shims: Start them.
        python: Gives the interpreter of the image that serves a format.
        gpus: Of this machine.
    """

    def __init__(
        self,
        state: StateDir,
        folder: DeploymentDir,
        wish: Wish,
        account: Account,
        models: Models,
        shims: Shims,
        python: Callable[[ModelFormat], Path],
        gpus: Gpus,
    ) -> None:
        self.account = account
        self._state = state
        self._folder = folder
        self._wish = wish
        self._models = models
        self._shims = shims
        self._python = python
        self._gpus = gpus
        self._warnings: dict[tuple[str, int], str] = {}  # By model and version.
        self._sockets = make_folder(state, wish.id, account)
        self.balancer = Balancer(wish.spec.name, self._sockets, folder.config, MAX_CALL_BYTES)

    def make_folder(self) -> None:
        """Have the directory of the sockets again where somebody has removed it."""
        make_folder(self._state, self._wish.id, self.account)

    def front(self) -> Front:
        """The balancer, taken over or made."""
        unit = self._unit(BALANCER)
        if BALANCER in self._folder.unit_names():
            unit.load()
        else:
            unit.create()
        return Front(unit, self.balancer, self._folder.say)

    def replicas(self) -> list[Replica]:
        """Those that a service before has made."""
        found = []
        for name in self._folder.unit_names():
            if name != BALANCER:
                unit = self._unit(name)
                unit.load()
                found.append(self._replica(unit))
        return found

    def replica(self, number: int, crew: Crew) -> Replica:
        """Another one.

        Raises:
            OSError: its directory cannot be made.
        """
        unit = self._unit(f"replica-{number}")
        unit.create(crew.model, crew.version, crew.pool, crew.kit)
        return self._replica(unit)

    def warning(self, crews: Sequence[Crew]) -> str:
        """What is to be known of what they serve; empty where nothing is."""
        for one in crews:
            if (one.model, one.version) not in self._warnings:  # A version never changes.
                said = self._models.warning(self._wish.owner, one.model, one.version)
                self._warnings[one.model, one.version] = said
        told = (self._warnings[one.model, one.version] for one in crews)
        return " ".join(dict.fromkeys(text for text in told if text))

    def start(self, unit: Unit) -> None:
        """Start a replica.

        Raises:
            NoCapacity: too few GPUs are free; the message says who holds them.
            DLLabError: it cannot be.
            OSError: it cannot be.
        """
        model, version, owner = unit.known.model, unit.known.version, self._wish.owner
        name, kit = self._wish.spec.name, unit.known.kit
        with self._gpus.take(kit.gpus, owner, name, self._wish.id) as lease:
            env = {
                "DLLAB_MODEL_NAME": name,
                "DLLAB_MODEL_FILE": str(self._models.file(owner, model, version)),
                "DLLAB_MODEL_VERSION": str(version),
                "DLLAB_SOCKET": str(self._sockets / f"{unit.name}.sock"),
                "DLLAB_MAX_BODY": str(MAX_CALL_BYTES),
                **kit.environment(),
            }
            python = self._python(self._models.format(owner, model, version))
            command = [str(python), "-P", "-m", "dllab_hub.runtime.model_server"]
            unit.start(command, env, lease)

    def _unit(self, name: str) -> Unit:
        id = f"{self._wish.id}-{name}"
        return Unit(self._folder.units / name, id, self.account, self._shims)

    def _replica(self, unit: Unit) -> Replica:
        probe = f"/v2/models/{self._wish.spec.name}/ready"
        return Replica(unit, self._sockets / f"{unit.name}.sock", probe)
