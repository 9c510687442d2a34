"""`AccessBook`: who may ask a deployment besides its owner, as it is kept: ``access.json``.

Of a key only its SHA-256 is kept. It has 256 random bits, so nothing slower is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ....errors import AccessDenied, Conflict, DLLabError, NotFound
from ....specs import MAX_KEYS, Access, Callers, DeploymentKey, KeyWish, NewKey
from ...admission import NO_KEY, Asker
from ..disk import disk_errors
from ..shimdir import replace_file

__all__ = ("AccessBook",)

_LOG = logging.getLogger(__name__)
_KEY = re.compile(r"dlk_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
#: Seconds between two times that the last use of a key is kept.
_NOTE = 60.0


@dataclass(frozen=True)
class _Kept:
    """A key as it is kept; see `DeploymentKey`."""

    id: str
    digest: str
    title: str
    created: float
    expires: float | None = None
    used: float | None = None


class AccessBook:
    """Of one deployment. What changes it is done by one thread at a time; any may ask it.

    Args:
        path: Of the file; not there while only the owner may ask.
        say: Adds an event.
    """

    def __init__(self, path: Path, say: Callable[[str, str], None]) -> None:
        self._path = path
        self._say = say
        self._callers = Callers()
        self._keys: dict[str, _Kept] = {}
        self._used: dict[str, float] = {}  # Since it was kept last.
        self._noted = time.monotonic()
        self._load()

    @property
    def access(self) -> Access:
        """Who may ask, and the keys."""
        keys = (
            DeploymentKey(
                id=key.id,
                title=key.title,
                created=key.created,
                expires=key.expires,
                used=self._used.get(key.id, key.used),
            )
            for key in tuple(self._keys.values())
        )
        return Access(callers=self._callers, keys=tuple(keys))

    def admits(self, asker: Asker) -> bool:
        """Whether this one, who is not the owner, may ask.

        Raises:
            AccessDenied: a key came, and it opens nothing here, or no more.
        """
        if asker.key is not None:
            self._check(asker.key)
            return True
        if self._callers.who == "groups":
            return not asker.groups.isdisjoint(self._callers.groups)
        return self._callers.who == "everyone"

    def open_to(self, callers: Callers) -> Access:
        """Open it to these people; `StorageFull` when that cannot be kept."""
        if callers != self._callers:
            self._keep(callers, self._keys)
            self._say("Access", _sentence(callers))
        return self.access

    def make_key(self, wish: KeyWish) -> NewKey:
        """Another key.

        Raises:
            Conflict: there are as many as there may be.
            StorageFull: it cannot be kept, and is not made.
        """
        now = time.time()
        if len(self._keys) >= MAX_KEYS:
            raise Conflict(f"it has {MAX_KEYS} keys.", hint="Revoke one that is not used.")
        id = secrets.token_hex(4)
        while id in self._keys:
            id = secrets.token_hex(4)
        key = f"dlk_{id}_{secrets.token_urlsafe(32)}"
        expires = None if wish.lifetime is None else now + wish.lifetime
        made = _Kept(id, _digest(key), wish.title, now, expires)
        self._keep(self._callers, {**self._keys, id: made})
        self._say("KeyMade", f"a key for {wish.title} ({id}).")
        return NewKey(id=id, title=wish.title, created=now, expires=expires, key=key)

    def revoke(self, id: str) -> None:
        """Have a key open nothing any more.

        Raises:
            NotFound: there is none.
            StorageFull: that cannot be kept; it opens nothing until the service starts again.
        """
        if id not in self._keys:
            raise NotFound("there is no such key.")
        left = {each.id: each for each in self._keys.values() if each.id != id}
        gone, self._keys = self._keys[id], left
        self._keep(self._callers, left)
        self._say("KeyRevoked", f"the key for {gone.title} ({id}) opens nothing any more.")

    def tick(self) -> None:
        """Keep when keys were used, now and then."""
        if not self._used or time.monotonic() - self._noted < _NOTE:
            return
        self._noted = time.monotonic()
        try:
            self._keep(self._callers, self._keys)
        except (DLLabError, OSError) as exc:  # It is known as long as the service runs.
            _LOG.warning("%s could not be written: %s", self._path, exc)

    def _check(self, key: str) -> None:
        found = _KEY.fullmatch(key)
        kept = self._keys.get(found[1]) if found else None
        if kept is None or not hmac.compare_digest(kept.digest, _digest(key)):
            raise AccessDenied("this key opens nothing here.", hint=NO_KEY)
        now = time.time()
        if kept.expires is not None and now >= kept.expires:
            raise AccessDenied("this key has expired.", hint=NO_KEY)
        self._used[kept.id] = now

    def _keep(self, callers: Callers, keys: dict[str, _Kept]) -> None:
        used = dict(self._used)
        noted = {id: replace(key, used=used.get(id, key.used)) for id, key in keys.items()}
        data = {"callers": callers.to_wire(), "keys": [asdict(key) for key in noted.values()]}
        with disk_errors():
            replace_file(self._path, json.dumps(data).encode())
        self._callers, self._keys = callers, noted
        for id, at in used.items():
            if self._used.get(id) == at:
                self._used.pop(id)

    def _load(self) -> None:
        try:
            data = json.loads(self._path.read_bytes())
            callers = Callers.from_wire(data["callers"])
            keys = {each["id"]: _Kept(**each) for each in data["keys"]}
        except FileNotFoundError:
            return
        except (DLLabError, ValueError, KeyError, TypeError, RecursionError) as exc:
            # Closed is the safe side; whoever was let in is told to ask for it again.
            _LOG.error("%s is damaged: %r", self._path, exc)
            self._say("AccessLost", "who else may ask is lost, and so are its keys: set them anew.")
            return
        self._callers, self._keys = callers, keys


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _sentence(callers: Callers) -> str:
    if callers.who == "groups":
        return f"it may be asked by its owner and by {', '.join(callers.groups)}."
    everyone = callers.who == "everyone"
    return f"it may be asked by {'everyone in the hub' if everyone else 'its owner only'}."
