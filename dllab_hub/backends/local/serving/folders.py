"""`Folders`: the deployments that lie on the disk, each with what looks after it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from ....names import slug
from ....specs import ModelFormat
from ....state import StateDir
from ..account import known_account
from ..disk import disk_errors
from ..shims import Shims
from .controller import Controller
from .deploymentdir import DeploymentDir, found
from .gpus import Gpus
from .models import Models
from .sockets import remove_folder
from .wish import Wish

__all__ = ("Folders",)

_LOG = logging.getLogger(__name__)


class Folders:
    """Of everybody. Everything blocks.

    Args:
        state: Where everything lies.
        models: The published ones.
        shims: Start the units.
        python: Gives the interpreter of the image that serves a format.
        gpus: Of this machine.
    """

    def __init__(
        self,
        state: StateDir,
        models: Models,
        shims: Shims,
        python: Callable[[ModelFormat], Path],
        gpus: Gpus,
    ) -> None:
        self._state = state
        self._models = models
        self._shims = shims
        self._python = python
        self._gpus = gpus

    def adopt(self) -> list[Controller]:
        """What a service before has left; what it has cut short is cleared away."""
        self._models.open()
        taken = []
        for folder in found(self._state.deployments):
            try:
                taken.append(self._controller(folder))
            except Exception:  # Whatever it is, the others must be looked after.
                _LOG.exception("The deployment in %s cannot be taken over.", folder.path)
        return taken

    def create(self, wish: Wish) -> Controller:
        """Another one, whole or not at all.

        Raises:
            Conflict: there is one that could not be taken over.
            StorageFull: there is no room.
        """
        folder = DeploymentDir(self._state.deployments / slug(wish.owner) / wish.spec.name)
        folder.create(wish)
        warning = self._models.warning(wish.owner, wish.spec.model, wish.version)
        folder.say("Deployed", f"{wish.sentence} {warning}".rstrip())
        try:
            with disk_errors():
                return self._controller(folder)
        except BaseException:
            folder.remove()
            remove_folder(self._state, wish.id)
            raise

    def _controller(self, folder: DeploymentDir) -> Controller:
        account = known_account(folder.path, folder.load().account)
        return Controller(
            self._state, folder, account, self._models, self._shims, self._python, self._gpus
        )
