"""`Activity`: whether this lab is used, as the hub's idle policy wants to know it.

Jupyter Server counts every answered request as use, and an open JupyterLab asks something every few
seconds for ever. Here only what somebody or something *does* counts:

- requests that change something, and the page's own word that a person is there (`idle.Keep`);
- kernels: whatever they say, and as long as one is busy, silent or not;
- a GPU of this lab that computes, whichever process uses it;
- a training job of the person that runs;
- terminals and proxied pages, as Jupyter Server and its proxy count them. Not TensorBoard, not SSH.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import httpx
from jupyter_server.utils import url_path_join
from tornado.httputil import HTTPServerRequest
from tornado.web import OutputTransform

from ..specs import GpuReport, GpuState

__all__ = ("Activity", "HubReport", "Use", "gpus_used", "kernels_busy", "lab_gpus")

_LOG = logging.getLogger(__name__)
Use = Literal["kernel", "gpu", "job"]
#: Seconds between two looks at what uses the lab.
_EVERY = 60.0
#: Seconds for which the ports of TensorBoards are remembered.
_PORTS_AGE = 10.0
#: Share of the time; less than this a GPU shows when somebody only looks at it.
_COMPUTES = 0.05
_READING = {"GET", "HEAD", "OPTIONS"}


class Activity:
    """Looks at what uses the lab, once a minute, and tells the hub when it was last used.

    Args:
        web_app: Of the Jupyter server; its ``last_activity()`` is the truth.
        uses: For each kind of use whether there is some now; asked one after the other.
        report: Tells the hub; None when nobody wants to know.
        every: Seconds between two looks.
    """

    def __init__(
        self,
        web_app: Any,
        uses: Mapping[Use, Callable[[], Awaitable[bool]]],
        report: HubReport | None = None,
        *,
        every: float = _EVERY,
    ) -> None:
        self._web_app = web_app
        self._uses = uses
        self._report = report
        self._every = every
        self._told = 0.0
        self._failed: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        #: What used the lab when it was last looked.
        self.active: tuple[Use, ...] = ()

    def start(self) -> None:
        """Look from now on; returns at once."""
        own = url_path_join(self._web_app.settings["base_url"], "lab/api/")
        self._web_app.add_transform(partial(_Unnoticed, own))
        _exclude_boards(self._web_app)
        self._task = asyncio.create_task(self._run(), name="dllab-activity")

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._report is not None:
            await self._report.close()

    @property
    def last(self) -> float:
        """When the lab was last used, seconds since the epoch."""
        found: datetime.datetime = self._web_app.last_activity()
        return found.timestamp()

    def mark(self) -> None:
        """It is used now."""
        now = datetime.datetime.now(datetime.UTC)
        self._web_app.settings["last_activity_times"]["dllab"] = now

    async def look(self) -> None:
        """Find out what uses the lab now; any use is activity."""
        found: list[Use] = []
        for name, is_used in self._uses.items():
            try:
                if await is_used():
                    found.append(name)
            except Exception:
                # Unknown is no use, but a fault of one check must not end the others. Said once.
                if name not in self._failed:
                    _LOG.exception("Whether a %s uses this lab cannot be found out.", name)
                self._failed.add(name)
            else:
                self._failed.discard(name)
        self.active = tuple(found)
        if found:
            self.mark()

    async def tell(self) -> None:
        """Tell the hub when the lab was last used, unless it knows. It is told again if it fails.

        The single-user server does so too, every five minutes, which is too rarely for short limits
        and for a person who has just said that they are there.
        """
        last = self.last
        if self._report is not None and last > self._told and await self._report.send(last):
            self._told = last

    async def _run(self) -> None:
        while True:
            await self.look()
            await self.tell()
            await asyncio.sleep(self._every)


class HubReport:
    """The hub's address for the activity of this server, from the environment the hub has set.

    Args:
        env: The environment.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._url = env["JUPYTERHUB_ACTIVITY_URL"]
        self._server = env.get("JUPYTERHUB_SERVER_NAME", "")
        token = env.get("JUPYTERHUB_API_TOKEN", "")
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"token {token}"},
            timeout=15,
            trust_env=False,  # A proxy of the environment leads outside, the hub is inside.
            verify=_certificates(env),
        )

    async def send(self, last: float) -> bool:
        """Whether the hub has taken it."""
        text = datetime.datetime.fromtimestamp(last, datetime.UTC).isoformat()
        body = {"servers": {self._server: {"last_activity": text}}, "last_activity": text}
        try:
            answer = await self._http.post(self._url, json=body)
        except httpx.HTTPError as exc:
            _LOG.warning("The hub could not be told that this lab is used: %s", exc)
            return False
        if answer.is_error:
            _LOG.warning("The hub did not take that this lab is used: %s", answer.status_code)
        return answer.is_success

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def kernels_busy(kernel_manager: Any) -> bool:
    """Whether a kernel runs a cell now, also one that says nothing for hours."""
    ids = kernel_manager.list_kernel_ids()
    kernels = (kernel_manager.get_kernel(id) for id in ids)
    return any(getattr(kernel, "execution_state", "") == "busy" for kernel in kernels)


def lab_gpus(env: Mapping[str, str]) -> tuple[str, ...]:
    """UUIDs of the GPUs that a lab holds, as its spawner has set them.

    In a container nobody sets them: it sees its own and no others, and here each is a ``*``.
    """
    said = env.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return tuple(uuid for uuid in said.split(",") if uuid)
    try:
        return ("*",) * int(json.loads(env["DLLAB_LAB"])["gpus"])
    except (KeyError, ValueError, TypeError):
        return ()  # No lab of ours has started this server.


async def gpus_used(read: Callable[[], Awaitable[GpuReport]], uuids: Collection[str]) -> bool:
    """Whether one of these GPUs computes now.

    Args:
        read: What all GPUs do.
        uuids: Of the lab's own; ``*`` for all that can be seen, as in a container.
    """
    if not uuids:
        return False
    report = await read()
    if report.state is GpuState.STALE:  # Its last values, for as long as the driver is silent.
        return False
    mine = [gpu for gpu in report.gpus if "*" in uuids or gpu.uuid in uuids]
    return any((gpu.utilization or 0.0) >= _COMPUTES for gpu in mine)


class _Unnoticed(OutputTransform):  # type: ignore[misc]
    """Puts Jupyter Server's own mark for what is no activity on requests that are none.

    Those that only read; and what JupyterLab notes about itself: an open page saves its layout
    every ten seconds. A transform is made before the handler is, and sees the request. The query
    that handlers read, and that is passed on to others, stays as it came.
    """

    def __init__(self, own: str, request: HTTPServerRequest) -> None:
        if request.method in _READING or request.path.startswith(own):
            request.arguments.setdefault("no_track_activity", [b"1"])


class _Boards:
    """Ports of the TensorBoards that kernels of this account have started."""

    def __init__(self) -> None:
        self._ports: frozenset[str] = frozenset()
        self._at = -_PORTS_AGE

    def is_use(self, handler: Any) -> bool:
        """Whether a proxied request is use: one to a TensorBoard is not."""
        now = time.monotonic()
        if now - self._at > _PORTS_AGE:
            self._at, self._ports = now, frozenset(_ports())
        return str(handler.path_args[0] if handler.path_args else "") not in self._ports


def _ports() -> Iterator[str]:
    # Where TensorBoard itself looks for those that run already.
    for file in Path(tempfile.gettempdir(), ".tensorboard-info").glob("pid-*.info"):
        try:
            yield str(json.loads(file.read_bytes())["port"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # Being written, or another account's.


def _exclude_boards(web_app: Any) -> None:
    """``proxy/6006/`` of a TensorBoard that ``%tensorboard`` has started is no use of the lab.

    jupyter-server-proxy takes such a rule for the servers it knows by name, not for those by port.
    """
    boards = _Boards()
    for rule in _rules(web_app):
        if getattr(rule.target, "__name__", "") == "LocalProxyHandler":
            rule.target_kwargs["update_last_activity"] = boards.is_use


def _rules(router: Any) -> Iterator[Any]:
    for part in (router.wildcard_router, router.default_router):
        pending = list(part.rules)
        while pending:
            rule = pending.pop()
            pending += getattr(rule.target, "rules", ())
            yield rule


def _certificates(env: Mapping[str, str]) -> ssl.SSLContext | bool:
    """The hub's own, where it signs the connections inside (``internal_ssl``)."""
    key, certificate, authority = (
        env.get(f"JUPYTERHUB_SSL_{name}", "") for name in ("KEYFILE", "CERTFILE", "CLIENT_CA")
    )
    if not key:
        return True
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    return context
