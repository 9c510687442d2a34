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
from ....specs import Canary, Deployment, DeploymentSpec, ModelFormat
from ....state import StateDir
from ..account import Account
from ..shims import Shims
from .access import AccessBook
from .deploymentdir import DeploymentDir
from .fleet import Crew, Fleet, crews_of
from .gpus import Gpus
from .models import Models
from .replica import Replica
from .sockets import remove_folder
from .units import Units
from .view import view
from .wish import Wish

__all__ = ("Controller",)

_LOG = logging.getLogger(__name__)


class Controller:
    """One deployment. One thread at a time.

    Attributes:
        wish: What was wished for last.
        seen: The deployment as the last look has found it; any thread may read it.
        gone: It was deleted, and nothing of it is left.
        access: Who may ask it besides its owner; any thread may ask that.
        gpus: UUIDs of the GPUs of each replica that answers; any thread may read it.

    Args:
        state: Where everything lies.
        folder: Of the deployment; made, with its wish.
        account: Whom its units run as.
        models: The published ones.
        shims: Start the units.
        python: Gives the interpreter of the image that serves a format.
        gpus: Of this machine.
    """

    def __init__(
        self,
        state: StateDir,
        folder: DeploymentDir,
        account: Account,
        models: Models,
        shims: Shims,
        python: Callable[[ModelFormat], Path],
        gpus: Gpus,
    ) -> None:
        self.wish = folder.load()
        self.gone = False
        self.folder = folder
        self.access = AccessBook(folder.access, folder.say)
        self._state = state
        self._units = Units(state, folder, self.wish, account, models, shims, python, gpus)
        self._front = self._units.front()
        self._fleet = Fleet(self._units.replicas())
        self._trouble = ""  # Why a replica that is missing cannot be made.
        self.gpus = self._fleet.gpus()
        self.seen = self._view()

    @property
    def socket(self) -> Path:
        """Where requests go."""
        return self._units.balancer.socket

    @property
    def account(self) -> Account:
        """Whose process listens there."""
        return self._units.account

    def deploy(self, spec: DeploymentSpec, version: int) -> Deployment:
        """Another wish. The same one again only has what failed tried again at once."""
        if (spec, version) != (self.wish.spec, self.wish.version) or self.wish.deleting:
            self._leave_canary()
            wish = self.wish.again(spec, version)
            self._wish(wish, "Deployed", wish.sentence)
        for unit in (self._front.unit, *(one.unit for one in self._fleet)):
            unit.hurry()
        return self.tick()

    def scale(self, replicas: int, why: str = "") -> Deployment:
        """Have so many replicas.

        Args:
            replicas: How many.
            why: Sentence; empty for somebody's wish.

        Raises:
            Conflict: it is being deleted.
            InvalidRequest: they are fewer or more than there may be by themselves.
        """
        wish = self.wish.scaled_to(replicas, by_load=bool(why))
        if wish.replicas != self.wish.replicas:
            self._wish(wish, "Scaled", f"{wish.sentence} {why}")
        return self.tick()

    def canary(self, canary: Canary) -> Deployment:
        """Have another version answer a part of the requests.

        Raises:
            Conflict: as of `Wish.with_canary`, or another version is just taking over.
        """
        wish, before = self.wish.with_canary(canary), self.wish.canary
        if canary == before:
            return self.tick()
        if before is None or before.version != canary.version:
            if any(one.pool == wish.other_pool for one in self._fleet.old(self._crews)):
                raise Conflict(
                    f"version {wish.version} is just taking over.", hint="Wait until it is READY."
                )
            self._leave_canary()
        part = f"{canary.percent} % of the requests" if canary.percent else "no request by itself"
        self._wish(wish, "Canary", f"version {canary.version} gets {part}.")
        return self.tick()

    def promote(self) -> Deployment:
        """Have the canary's version answer everything; `Conflict` as of `Wish.promoted`."""
        wish = self.wish.promoted()
        self._wish(wish, "Promoted", f"version {wish.version} answers every request.")
        return self.tick()

    def rollback(self, why: str = "") -> Deployment:
        """Have no canary any more; without one, serve what was served before.

        Args:
            why: Sentence; empty for somebody's wish.

        Raises:
            Conflict: as of `Wish.rolled_back`.
        """
        wish, canary = self.wish.rolled_back(), self.wish.canary
        said = wish.sentence if canary is None else f"version {canary.version} gets nothing more."
        self._leave_canary()
        self._wish(wish, "RolledBack", f"{said} {why}")
        return self.tick()

    def replace(self, by: str) -> Deployment:
        """Have another one in the place of the replica that does worst; that one goes when the
        other answers.

        Args:
            by: Who wants it.

        Raises:
            Conflict: there is none, it is being deleted, or one is being replaced.
        """
        current = [] if self.wish.deleting else self._fleet.of(self._crews[0])
        if not current or self._fleet.old(self._crews):
            raise Conflict("there is no replica that could be replaced now.")
        worst = min(current, key=lambda one: (one.ready, -one.unit.known.restarts, one.number))
        worst.unit.keep(outdated=True)
        self.folder.say("Replacing", f"{by} has {worst.name} replaced.")
        return self.tick()

    def delete(self) -> Deployment:
        """Have nothing any more; `gone` in the end."""
        if not self.wish.deleting:
            wish = replace(self.wish, deleting=True)
            self._wish(wish, "Deleting", "its replicas answer their last requests.")
        return self.tick()

    def tick(self) -> Deployment:
        """Look at everything and do what is to be done now.

        Raises:
            OSError: the directory cannot be written.
        """
        self._units.make_folder()
        if self._fleet or not self.wish.deleting:
            self._front.tend(self._fleet.members())
        for replica in self._fleet:
            if not replica.draining:
                word = (self._front.words or {}).get(replica.name)
                replica.tend(self._units.start, word, self.folder.say)
        self._share()
        self._drop()
        self._add()
        self._share()
        self._release()
        self.access.tick()
        if self.wish.deleting and not self._fleet:
            self._finish()
        self.gpus = self._fleet.gpus()
        self.seen = self._view()
        return self.seen

    @property
    def is_settled(self) -> bool:
        """Whether nothing is expected to change soon."""
        return bool(self._trouble) or (
            not self.wish.deleting
            and (self._front.words is not None or self._front.unit.waits)
            and all(one.is_settled for one in self._fleet)
        )

    @property
    def trouble_of_canary(self) -> str:
        """Why no replica of the canary can be started; empty while there is hope, or no canary."""
        crews = self._crews
        return self._fleet.trouble(crews[1]) if len(crews) > 1 else ""

    # What is to be.

    @property
    def _crews(self) -> list[Crew]:
        return crews_of(self.wish)

    def _wish(self, wish: Wish, event: str = "", message: str = "") -> None:
        self.folder.save(wish)
        self.wish = wish
        if event:
            self.folder.say(event, f"{message} {self._units.warning(self._crews)}".strip())

    def _leave_canary(self) -> None:
        """Its replicas get nothing more, from the next look on."""
        if self.wish.canary is not None:
            for replica in self._fleet.of(self._crews[1]):
                self._drain(replica)

    def _drain(self, replica: Replica) -> None:
        replica.drain()
        self.folder.say("Draining", f"{replica.name} answers its last requests.")

    def _drop(self) -> None:
        """Send those away that are too many, or in the way."""
        for replica in self._fleet.surplus(self._crews, last=self.wish.sleeps):
            self._drain(replica)

    def _add(self) -> None:
        """Start those that are missing."""
        self._trouble = ""
        try:
            for crew in self._fleet.missing(self._crews):
                self._make(crew)
        except (DLLabError, OSError) as exc:  # A full disk; the next look tries again.
            self._trouble = f"a replica cannot be made: {exc}"

    def _make(self, crew: Crew) -> None:
        """Another replica."""
        # The number first: one that was used is never used again.
        self._wish(replace(self.wish, number=self.wish.number + 1))
        replica = self._units.replica(self.wish.number, crew)
        self._fleet.add(replica)
        what = f"version {crew.version} of {crew.model}"
        self.folder.say("ReplicaStarted", f"{replica.name} with {what}.")
        replica.tend(self._units.start, None, self.folder.say)

    def _share(self) -> None:
        leaving = [one.name for one in self._fleet if one.draining and not one.released]
        self._front.share(self._fleet.members(), leaving, self._fleet.percent(self.wish))

    def _release(self) -> None:
        """End those that drain and have nothing left to answer."""
        words = self._front.words
        for replica in [one for one in self._fleet if one.draining]:
            if not replica.released:
                # Only what gets nothing new can have answered its last request.
                if words is None or words.get(replica.name) != "UP":
                    sessions = self._front.sessions(replica.name)
                    replica.released = replica.release(sessions)
            elif (words is None or replica.name not in words) and replica.end():
                self._fleet.remove(replica)
                self.folder.remove_unit(replica.name)
                self.folder.say("ReplicaEnded", f"{replica.name} has ended.")

    def _finish(self) -> None:
        if self._front.end():
            self.folder.remove()
            remove_folder(self._state, self.wish.id)
            self.gone = True

    def _view(self) -> Deployment:
        return view(
            self.wish,
            tuple(one.wire() for one in self._fleet),
            failing=any(one.failing for one in self._fleet),
            outdated=bool(self._fleet.old(self._crews)),
            balancer=self._trouble or self._front.reason,
            traffic=self._front.traffic,
            warning=self._units.warning(self._crews),
            keeper="" if self.wish.sleeps else self._fleet.keeper(self._crews),
        )
