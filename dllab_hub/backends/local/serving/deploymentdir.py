"""`DeploymentDir`: the directory of one deployment."""

from __future__ import annotations

import logging
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from ....errors import Conflict, InvalidRequest
from ....names import slug
from ....specs import Event
from ..disk import disk_errors
from ..shimdir import read_events, replace_file, say, sync_folder, write_file
from .wish import Wish

__all__ = ("BALANCER", "DeploymentDir", "found")

_LOG = logging.getLogger(__name__)
#: Name of the unit that is the balancer.
BALANCER = "balancer"
_UNIT = re.compile(rf"{BALANCER}|replica-\d{{1,9}}", re.ASCII)
_NEW, _GONE = ".new-", ".gone-"


class DeploymentDir:
    """``deployments/<owner slug>/<name>/``, the service's own; accounts pass through it.

    Args:
        path: Of the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def units(self) -> Path:
        """A directory for each unit."""
        return self.path / "units"

    @property
    def config(self) -> Path:
        """What the balancer starts with."""
        return self.path / "haproxy.cfg"

    @property
    def access(self) -> Path:
        """Who may ask besides the owner."""
        return self.path / "access.json"

    def create(self, wish: Wish) -> None:
        """Make the directory, whole or not at all.

        Raises:
            Conflict: there is one that could not be taken over.
            StorageFull: there is no room; nothing was left behind.
        """
        with disk_errors():
            home = self.path.parent
            home.mkdir(mode=0o711, parents=True, exist_ok=True)
            home.chmod(0o711)
            new = self.path.with_name(f"{_NEW}{self.path.name}")
            shutil.rmtree(new, ignore_errors=True)
            try:
                for folder in (new, new / "units"):
                    folder.mkdir()
                    folder.chmod(0o711)
                write_file(new / "deployment.json", wish.to_json())
                sync_folder(new)
                if self.path.is_dir():
                    raise Conflict(
                        "a deployment of this name is there, and is damaged.",
                        hint="The administrator can remove it: the lab service's log says where.",
                    )
                new.rename(self.path)
                sync_folder(home)
            except BaseException:
                shutil.rmtree(new, ignore_errors=True)
                raise

    def save(self, wish: Wish) -> None:
        """Keep another wish.

        Raises:
            StorageFull: there is no room; what was there before still is.
        """
        with disk_errors():
            replace_file(self.path / "deployment.json", wish.to_json())

    def load(self) -> Wish:
        """The wish.

        Raises:
            OSError: it cannot be read.
            InvalidRequest: it is damaged, or of another directory.
        """
        try:
            wish = Wish.from_json((self.path / "deployment.json").read_bytes())
        except (ValueError, KeyError, TypeError, RecursionError) as exc:
            raise InvalidRequest(f"{self.path / 'deployment.json'} is damaged: {exc!r}.") from exc
        if (slug(wish.owner), wish.spec.name) != (self.path.parent.name, self.path.name):
            raise InvalidRequest(f"{self.path / 'deployment.json'} is of another deployment.")
        return wish

    def unit_names(self) -> list[str]:
        """Names of the units there are; what was cut short is cleared away."""
        names = []
        for path in self.units.iterdir():
            if path.name.startswith("."):
                shutil.rmtree(path, ignore_errors=True)
            elif _UNIT.fullmatch(path.name) and path.is_dir():
                names.append(path.name)
        return names

    def remove_unit(self, name: str) -> None:
        """Delete the directory of a unit whose shim is gone."""
        gone = self.units / f"{_GONE}{name}"
        (self.units / name).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def remove(self) -> None:
        """Delete the directory; its name is free at once."""
        gone = self.path.with_name(f"{_GONE}{self.path.name}-{secrets.token_hex(4)}")
        self.path.rename(gone)
        sync_folder(self.path.parent)
        shutil.rmtree(gone, ignore_errors=True)

    def say(self, reason: str, message: str) -> None:
        """Add an event; a full disk loses it."""
        try:
            say(self.path / "events.jsonl", reason, message)
        except OSError as exc:
            _LOG.warning("%s: event %s is lost: %s", self.path, reason, exc)

    def events(self) -> tuple[Event, ...]:
        """What happened, oldest first."""
        return read_events(self.path / "events.jsonl")


def found(root: Path) -> Iterator[DeploymentDir]:
    """The deployments below ``<root>/deployments``; what was cut short is cleared away."""
    homes = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else ()
    for home in homes:
        for path in sorted(home.iterdir()):
            if path.name.startswith((_NEW, _GONE)):
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_dir():
                yield DeploymentDir(path)
