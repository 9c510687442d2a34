"""`Controller`: makes of one deployment what was wished for, look by look.

A look (`tick`) remembers nothing that the next one could not find out again from the units' locks,
the sockets and the balancer: a controller can be thrown away at any moment and made anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ....errors import Conflict, DLLabError
from ....specs import Deployment, DeploymentSpec
from ....state import StateDir
from ...serving import MAX_CALL_BYTES
from ..account import Account
from ..shims import Shims
from .balancer import Balancer, Server
from .deploymentdir import BALANCER, DeploymentDir, Wish
from .front import Front
from .models import Models
from .replica import Replica
from .sockets import make_folder, remove_folder
from .unit import Unit
from .view import view

__all__ = ("Controller",)

_LOG = logging.getLogger(__name__)
#: So many replicas of a deployment start at a time: they would only slow each other down.
_AT_ONCE = 2


class Controller:
    """One deployment. One thread at a time.

    Attributes:
        wish: What was wished for last.
        seen: The deployment as the last look has found it; any thread may read it.
        gone: It was deleted, and nothing of it is left.

    Args:
        state: Where everything lies.
        folder: Of the deployment; made, with its wish.
        account: Whom its units run as.
        models: The published ones.
        shims: Start the units.
        python: Gives the interpreter of the image that serves.
    """

    def __init__(
        self,
        state: StateDir,
        folder: DeploymentDir,
        account: Account,
        models: Models,
        shims: Shims,
        python: Callable[[], Path],
    ) -> None:
        self.wish = folder.load()
        self.gone = False
        self.folder = folder
        self._state = state
        self._account = account
        self._models = models
        self._shims = shims
        self._python = python
        self._sockets = make_folder(state, self.wish.id, account)
        self._balancer = Balancer(folder.path.name, self._sockets, folder.config, MAX_CALL_BYTES)
        names = folder.unit_names()
        self._front = self._front_of(self._unit(BALANCER), BALANCER in names)
        self._replicas = [self._replica(self._unit(name)) for name in names if name != BALANCER]
        self._replicas.sort(key=lambda one: one.number)
        for replica in self._replicas:
            replica.unit.load()
        self._trouble = ""  # Why a replica that is missing cannot be made.
        self.seen = self._view()

    @property
    def socket(self) -> Path:
        """Where requests go."""
        return self._balancer.socket

    @property
    def account(self) -> Account:
        """Whose process listens there."""
        return self._account

    def deploy(self, spec: DeploymentSpec, version: int) -> Deployment:
        """Another wish. The same one again only has what failed tried again at once."""
        if (spec, version) != (self.wish.spec, self.wish.version) or self.wish.deleting:
            self._wish(self.wish.again(spec, version))
            self.folder.say("Deployed", self.wish.sentence)
        for unit in (self._front.unit, *(one.unit for one in self._replicas)):
            unit.hurry()
        return self.tick()

    def scale(self, replicas: int) -> Deployment:
        """Have so many replicas.

        Raises:
            Conflict: it is being deleted.
        """
        if self.wish.deleting:
            raise Conflict("it is being deleted.", hint="Deploy it again.")
        spec = self.wish.spec.model_copy(update={"replicas": replicas})
        if spec != self.wish.spec:
            self._wish(self.wish.again(spec, self.wish.version))
            self.folder.say("Scaled", self.wish.sentence)
        return self.tick()

    def delete(self) -> Deployment:
        """Have nothing any more; `gone` in the end."""
        if not self.wish.deleting:
            self._wish(replace(self.wish, deleting=True))
            self.folder.say("Deleting", "its replicas answer their last requests.")
        return self.tick()

    def tick(self) -> Deployment:
        """Look at everything and do what is to be done now.

        Raises:
            OSError: the directory cannot be written.
        """
        make_folder(self._state, self.wish.id, self._account)
        if self._replicas or not self.wish.deleting:
            self._front.tend(self._members())
        for replica in self._replicas:
            if not replica.draining:
                word = (self._front.words or {}).get(replica.name)
                replica.tend(self._start, word, self.folder.say)
        self._share()
        self._drop()
        self._add()
        self._share()
        self._release()
        if self.wish.deleting and not self._replicas:
            self._finish()
        self.seen = self._view()
        return self.seen

    @property
    def is_settled(self) -> bool:
        """Whether nothing is expected to change soon."""
        return bool(self._trouble) or (
            not self.wish.deleting
            and (self._front.words is not None or self._front.unit.waits)
            and all((one.ready or one.unit.waits) and not one.draining for one in self._replicas)
        )

    # What there is.

    def _unit(self, name: str) -> Unit:
        id = f"{self.wish.id}-{name}"
        return Unit(self.folder.units / name, id, self._account, self._shims)

    def _front_of(self, unit: Unit, there: bool) -> Front:
        if there:
            unit.load()
        else:
            unit.create()
        return Front(unit, self._balancer, self.folder.say)

    def _replica(self, unit: Unit) -> Replica:
        probe = f"/v2/models/{self.wish.spec.name}/ready"
        return Replica(unit, self._sockets / f"{unit.name}.sock", probe)

    def _members(self) -> list[Server]:
        return [
            Server(one.name, one.socket)
            for one in self._replicas
            if one.joined and not one.draining
        ]

    # What is to be.

    def _wish(self, wish: Wish) -> None:
        self.folder.save(wish)
        self.wish = wish

    def _current(self) -> list[Replica]:
        wished = (self.wish.spec.model, self.wish.version)
        return [one for one in self._replicas if not one.draining and one.serves == wished]

    def _old(self) -> list[Replica]:
        wished = (self.wish.spec.model, self.wish.version)
        return [one for one in self._replicas if not one.draining and one.serves != wished]

    def _drop(self) -> None:
        """Send those away that are too many: of another version once enough new ones answer."""
        wished = 0 if self.wish.deleting else self.wish.spec.replicas
        current, old = self._current(), self._old()
        # Those that do not answer go first; then of the old ones the oldest, of the others the
        # newest.
        old.sort(key=lambda one: (one.ready, one.number))
        current.sort(key=lambda one: (one.ready, -one.number))
        ready = sum(one.ready for one in current)
        going = []
        while old and ready + len(old) > wished:
            going.append(old.pop(0))
        while len(current) > wished:
            going.append(current.pop(0))
        for replica in going:
            replica.drain()
            self.folder.say("Draining", f"{replica.name} answers its last requests.")

    def _add(self) -> None:
        """Start those that are missing; during a roll, one more than wished for at a time."""
        if self.wish.deleting:
            return
        current, old = self._current(), self._old()
        wished = self.wish.spec.replicas
        missing = wished - len(current)
        if old:
            missing = min(missing, wished + 1 - len(current) - len(old))
        starting = sum(not one.ready and not one.failing for one in current)
        self._trouble = ""
        try:
            for _ in range(min(missing, _AT_ONCE - starting)):
                self._make()
        except (DLLabError, OSError) as exc:  # A full disk; the next look tries again.
            self._trouble = f"a replica cannot be made: {exc}"

    def _make(self) -> None:
        """Another replica."""
        # The number first: one that was used is never used again.
        self._wish(replace(self.wish, number=self.wish.number + 1))
        replica = self._replica(self._unit(f"replica-{self.wish.number}"))
        replica.unit.create(self.wish.spec.model, self.wish.version)
        self._replicas.append(replica)
        what = f"version {self.wish.version} of {self.wish.spec.model}"
        self.folder.say("ReplicaStarted", f"{replica.name} with {what}.")
        replica.tend(self._start, None, self.folder.say)

    def _share(self) -> None:
        leaving = [one.name for one in self._replicas if one.draining and not one.released]
        self._front.share(self._members(), leaving)

    def _release(self) -> None:
        """End those that drain and have nothing left to answer."""
        words = self._front.words
        for replica in [one for one in self._replicas if one.draining]:
            if not replica.released:
                # Only what gets nothing new can have answered its last request.
                if words is None or words.get(replica.name) != "UP":
                    sessions = self._front.sessions(replica.name)
                    replica.released = replica.release(sessions)
            elif (words is None or replica.name not in words) and replica.end():
                self._replicas.remove(replica)
                self.folder.remove_unit(replica.name)
                self.folder.say("ReplicaEnded", f"{replica.name} has ended.")

    def _finish(self) -> None:
        if self._front.end():
            self.folder.remove()
            remove_folder(self._state, self.wish.id)
            self.gone = True

    def _start(self, unit: Unit) -> None:
        known = unit.known
        env = {
            "DLLAB_MODEL_NAME": self.wish.spec.name,
            "DLLAB_MODEL_FILE": str(self._models.file(self.wish.owner, known.model, known.version)),
            "DLLAB_MODEL_VERSION": str(known.version),
            "DLLAB_SOCKET": str(self._sockets / f"{unit.name}.sock"),
            "DLLAB_MAX_BODY": str(MAX_CALL_BYTES),
        }
        command = [str(self._python()), "-P", "-m", "dllab_hub.runtime.model_server"]
        unit.start(command, env)

    def _view(self) -> Deployment:
        return view(
            self.wish,
            tuple(one.wire() for one in self._replicas),
            failing=any(one.failing for one in self._replicas),
            outdated=bool(self._old()),
            balancer=self._trouble or self._front.reason,
            traffic=self._front.traffic,
        )
