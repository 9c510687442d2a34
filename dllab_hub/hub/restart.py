"""`Restarts`: labs that are stopped and started again with another number of GPUs.

Each wish is a file until it is done, so a service that is killed half-way goes on when it is back:
a lab that was stopped for a person is never left stopped.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from ..errors import Conflict, DLLabError, NotFound, StorageFull
from ..names import slug
from ..specs import Restart, RestartWish
from .servers import HubServers

__all__ = ("Restarts",)

_LOG = logging.getLogger(__name__)
#: Seconds for one restart, without those for which a lab may wait for GPUs.
_PATIENCE = 1800.0
#: Seconds between two looks at the hub.
_PACE = 0.5
#: Times that a lab is started as wished, and then as it was before.
_TRIES = 2


@dataclass(frozen=True)
class _Record:
    """What lies on the disk.

    Attributes:
        owner: Person.
        started: The hub's time stamp of the lab that is to be stopped.
        options: How to start it: as wished, and as it was before.
        tries: How many starts there were.
        last: What is told about it.
    """

    owner: str
    started: str
    options: list[dict[str, Any]]
    last: dict[str, Any]
    tries: int = 0
    problem: str = field(default="")

    @property
    def restart(self) -> Restart:
        return Restart.from_wire(self.last)


class Restarts:
    """The `Restarter` of the lab service.

    Args:
        directory: For the wishes.
        servers: The hub's servers.
    """

    def __init__(self, directory: Path, servers: HubServers) -> None:
        self._directory = directory
        self._servers = servers
        self._running: dict[str, asyncio.Task[None]] = {}
        # One who asks at a time for each lab, until the wish is noted; gone with the last of them.
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def start(self) -> None:
        """Go on with what was not finished."""
        for record in await asyncio.to_thread(self._unfinished):
            # Whether the last start was heard of is not known; it counts as a try.
            self._go_on(record)

    async def close(self) -> None:
        """Let go; the next service goes on."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._servers.close()

    async def restart(self, owner: str, wish: RestartWish) -> Restart:
        """Begin to restart a lab with so many GPUs.

        Raises:
            NotFound: the person has no such lab that runs.
            Conflict: it has so many GPUs, or starts or stops just now.
            StorageFull: the wish cannot be kept.
            Unavailable: the hub does not answer.
        """
        key = _key(owner, wish.server)
        async with self._asking.setdefault(key, asyncio.Lock()):
            if key in self._running:
                return await self.restarted(owner, wish.server)
            record = await self._begin(owner, wish)
            self._go_on(record)
        return record.restart

    async def _begin(self, owner: str, wish: RestartWish) -> _Record:
        """Note the wish."""
        model = await self._servers.get(owner, wish.server)
        if model is None:
            raise NotFound("you have no such lab that runs.", field="server")
        if model.get("pending") or not model.get("ready"):
            raise Conflict("the lab is being started or stopped.", hint="Try again in a moment.")
        options = dict(model.get("user_options") or {})
        before = int(options.get("gpus") or 0)
        if before == wish.gpus:
            has = f"{before} GPU{'s' if before > 1 else ''}" if before else "no GPU"
            raise Conflict(f"the lab has {has} already.", field="gpus")
        before_that = await asyncio.to_thread(self._read, self._file(owner, wish.server))
        last = Restart(
            server=wish.server,
            gpus=wish.gpus,
            before=before,
            state="restarting",
            time=time.time(),
        )
        record = _Record(
            owner=owner,
            started=str(model.get("started")),
            options=[_with_gpus(_taken_back(options, wish.gpus, before_that), wish.gpus), options],
            last=last.to_wire(),
        )
        await asyncio.to_thread(self._write, record)
        return record

    async def restarted(self, owner: str, server: str) -> Restart:
        """What became of the last restart of this lab."""
        record = await asyncio.to_thread(self._read, self._file(owner, server))
        if record is None or record.owner != owner:
            return Restart(server=server)
        return record.restart

    def _go_on(self, record: _Record) -> None:
        key = _key(record.owner, record.restart.server)
        task = asyncio.create_task(self._run(record), name=f"dllab-restart-{key}")
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))

    async def _run(self, record: _Record) -> None:
        # Waiting for GPUs, as the lab did before, is no fault of its start.
        waits = max(int(options.get("wait") or 0) for options in record.options)
        deadline = time.monotonic() + _PATIENCE + 60 * waits
        state = "restarting"
        while state == "restarting":
            if time.monotonic() > deadline:
                record, state = replace(record, problem="It took too long."), "failed"
                break
            try:
                record, state = await self._step(record)
            except DLLabError as exc:
                # The hub is away, or the disk is full: it is tried until the time is over.
                _LOG.warning("The restart of a lab of %s has to wait: %s", record.owner, exc)
                await asyncio.sleep(2)
            except Exception:
                # A fault of ours must not be the end of it: the lab may be stopped just now.
                _LOG.exception("The restart of a lab of %s has to wait.", record.owner)
                await asyncio.sleep(2)
            else:
                await asyncio.sleep(_PACE)
        await self._finish(record, state)

    async def _step(self, record: _Record) -> tuple[_Record, str]:
        """One look at the lab and what follows from it."""
        owner, server = record.owner, record.restart.server
        model = await self._servers.get(owner, server)
        if model is None:
            at = record.tries // _TRIES
            if at >= len(record.options):
                return record, "failed"
            # Written down first: of a start that kills this service there is no end otherwise.
            record = replace(record, tries=record.tries + 1)
            await asyncio.to_thread(self._write, record)
            problem = await self._servers.start(owner, server, record.options[at])
            return replace(record, problem=problem or record.problem), "restarting"
        if model.get("pending"):
            return record, "restarting"
        if str(model.get("started")) == record.started:
            await self._servers.stop(owner, server)
            return record, "restarting"
        if not model.get("ready"):
            return record, "restarting"
        has = int((model.get("user_options") or {}).get("gpus") or 0)
        return record, "done" if has == record.restart.gpus else "undone"

    async def _finish(self, record: _Record, state: str) -> None:
        gpus, before = record.restart.gpus, record.restart.before
        why = f" {record.problem}" if record.problem else ""
        back = before - gpus
        gave = f" and gave back {back} GPU{'s' if back > 1 else ''}" if back > 0 else ""
        said = {
            "done": f"The lab was restarted {_on(gpus)}{gave}.",
            "undone": f"The lab could not be started {_on(gpus)}, so it is as before.{why}",
            "failed": f"The lab was stopped and could not be started again.{why}",
        }[state]
        _LOG.info("A lab of %s: %s", record.owner, said)
        last = {**record.last, "state": state, "message": said}
        try:
            await asyncio.to_thread(self._write, replace(record, last=last))
        except StorageFull as exc:
            _LOG.warning("That a lab was restarted cannot be kept: %s", exc)

    def _file(self, owner: str, server: str) -> Path:
        return self._directory / f"{_key(owner, server)}.json"

    def _unfinished(self) -> list[_Record]:
        found = (self._read(path) for path in sorted(self._directory.glob("*.json")))
        return [r for r in found if r is not None and r.restart.state == "restarting"]

    def _read(self, path: Path) -> _Record | None:
        try:
            record = _Record(**json.loads(path.read_bytes()))
            _ = record.restart  # Looks at it.
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, DLLabError) as exc:
            _LOG.warning("%s is not readable and is left alone: %s", path.name, exc)
            return None
        return record

    def _write(self, record: _Record) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._file(record.owner, record.restart.server)
        partial = path.with_suffix(".tmp")
        try:
            with open(partial, "w", opener=_private) as file:
                json.dump(asdict(record), file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as exc:
            raise StorageFull(f"the restart cannot be noted: {exc.strerror}.") from exc


def _with_gpus(options: dict[str, Any], gpus: int) -> dict[str, Any]:
    """The same choice with so many GPUs; what only makes sense with some goes with the last."""
    made = {**options, "gpus": gpus, "wait": 0}
    return made if gpus else {**made, "gpu_type": "", "lend": False}


def _taken_back(options: dict[str, Any], gpus: int, last: _Record | None) -> dict[str, Any]:
    """GPUs that were given back are taken as they were: of their type, and lent or not."""
    was = last.options[-1] if last is not None and last.options else {}
    if not gpus or was.get("gpus") != gpus or was.get("image") != options.get("image"):
        return options
    return {**options, **{key: was[key] for key in ("gpu_type", "lend") if key in was}}


def _on(gpus: int) -> str:
    return f"with {gpus} GPU{'s' if gpus > 1 else ''}" if gpus else "on the CPU"


def _key(owner: str, server: str) -> str:
    return slug(f"{owner}/{server}" if server else owner)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
