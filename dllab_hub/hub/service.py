"""The lab service: ``python -m dllab_hub.hub.service``, started by the hub.

It runs everybody's jobs and outlives their labs. It may be killed and started again at any time:
what runs goes on, and the next one takes it over.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from jupyter_server.log import log_request
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler, stream_request_body

from .._version import __version__
from ..backends.local import LocalBackend
from ..backends.local.account import own_account
from ..backends.local.capacity import holders
from ..errors import DLLabError
from ..leases import LeaseDir
from ..metrics.sampler import Sampler
from ..server.alerting import Alerting
from ..server.audit import Audit
from ..server.handler import LabHandler
from ..server.lab import Lab
from ..server.metrics import ROUTE, Metrics
from ..server.routes import routes
from ..state import StateDir
from .identity import HubAuthorizer, HubIdentityProvider
from .restart import Restarts
from .servers import HubServers

__all__ = ("application", "main")

_LOG = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1
#: Each route refuses more than 8 MiB in our own words; tornado's limit must not come before it.
_NO_LIMIT = 1 << 40
#: Seconds for the body of a request: of one whose sender has vanished, nobody says a word.
_SLOWEST = 3600.0
#: Seconds for letting go.
_CLOSE = 5.0


@stream_request_body
class _About(RequestHandler):  # type: ignore[misc]
    """The address itself, for whoever wonders what this is. Says nothing that is not public."""

    def data_received(self, chunk: bytes) -> None:
        """What a stranger sends is not kept."""

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        about = {
            "name": "dllab-hub lab service",
            "about": "Training jobs, models and GPUs of this hub's labs. Open a lab to use it.",
            "api": "dllab/api/openapi.yaml",
        }
        self.finish(json.dumps(about))


class _Elsewhere(LabHandler):
    """An address that is not ours: 404 for everybody, without asking who it is."""

    async def prepare(self) -> None:
        self._body = bytearray()
        self.send_error(404)


def application(lab: Lab, identity: HubIdentityProvider, prefix: str) -> Application:
    """The routes and nothing else.

    Args:
        lab: What is served, endpoints included.
        identity: Who may come in.
        prefix: Path of the service at the hub, such as ``/services/dllab/``.
    """
    return Application(
        [
            (prefix, _About),
            (re.escape(prefix) + ROUTE, Metrics),
            *routes(prefix, lab.serve_url),
        ],
        default_handler_class=_Elsewhere,
        log_function=partial(log_request, record_prometheus_metrics=False),
        base_url=prefix,
        dllab=lab,
        identity_provider=identity,
        authorizer=HubAuthorizer(identity_provider=identity),
        # The hub's proxy passes on the name that people type. Tokens are what keeps others out.
        allow_remote_access=True,
    )


def main() -> int:
    """Serve until SIGTERM; the exit code."""
    logging.basicConfig(
        format="[%(levelname)1.1s %(asctime)s dllab] %(message)s", level=logging.INFO
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # Not a line for each request.
    _end_with_parent()
    try:
        address = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
        host, port = address.hostname or "", address.port
        target = os.environ.get("DLLAB_TARGET", "machine")
        # In a pod the proxy, which is another one, has to reach it; a network policy keeps others
        # out, and tokens do.
        if port is None or not (ip_address(host).is_loopback or target == "cluster"):
            raise ValueError("not a port of 127.0.0.1")
        os_users = {"0": False, "1": True}[os.environ.get("DLLAB_OS_USERS", "0")]
        kinds: dict[str, Callable[[StateDir, str], Lab]]
        kinds = {"machine": partial(_machine, os_users), "cluster": _cluster}
        make = kinds[target]
    except (KeyError, ValueError) as exc:
        _LOG.error(
            "The lab service is started by JupyterHub, with JUPYTERHUB_SERVICE_URL on 127.0.0.1, "
            "DLLAB_OS_USERS 0 or 1 and DLLAB_TARGET machine or cluster; here something is missing "
            "or wrong: %s",
            exc,
        )
        return 2
    try:
        asyncio.run(_serve(host, port, make))
    except DLLabError as exc:
        _LOG.error("The lab service cannot start: %s", exc)
        return 1
    except OSError as exc:
        _LOG.error("The lab service cannot listen on %s port %s: %s", host, port, exc.strerror)
        return 1
    return 0


def _machine(os_users: bool, state: StateDir, prefix: str) -> Lab:
    sampler = Sampler()
    backend = LocalBackend(state, os_users=os_users, gpu_report=sampler.glance)
    return Lab(
        backend,
        sampler,
        alerts=Alerting(
            state,
            backend,
            sampler,
            leases=LeaseDir(state.leases),
            # Whose machine it is hears of what concerns nobody else.
            sole=None if os_users else own_account(),
        ),
        mode="os-user" if os_users else "single-user",
        holders=partial(holders, LeaseDir(state.leases)),
        serve_url=f"{prefix}serve/",
        # On the disk of the models: a file that has come is moved there.
        uploads=state.root / "uploads",
        audit=Audit(state.root / "audit.jsonl"),
    )


def _cluster(state: StateDir, prefix: str) -> Lab:
    # Imported here: on one machine nothing of it need be installed.
    from ..backends.kubernetes.backend import KubernetesBackend
    from ..backends.kubernetes.gpu_settings import gpu_metrics_of, homes_of
    from ..backends.kubernetes.gpus import ClusterGpus

    backend = KubernetesBackend(state)
    gpus = ClusterGpus(
        partial(gpu_metrics_of, state),
        lambda: backend.cluster.machines,
        partial(homes_of, state),
    )
    sampler = Sampler(gpus.read, silent=gpus.silent)
    return Lab(
        backend,
        sampler,
        alerts=Alerting(state, backend, sampler),
        kind="kubernetes",
        mode="cluster",
        holders=gpus.holders,
        serve_url=f"{prefix}serve/",
        uploads=state.root / "uploads",
        # Nobody but the hub's proxy reaches it in its pod.
        audit=Audit(state.root / "audit.jsonl", trust_proxy=True),
    )


async def _serve(host: str, port: int, make: Callable[[StateDir, str], Lab]) -> None:
    state = StateDir.default()
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/services/dllab/")
    lab = make(state, prefix)
    identity = HubIdentityProvider()
    restarts = Restarts(state.root / "restarts", HubServers(os.environ))
    lab.restarter = restarts
    server = HTTPServer(
        application(lab, identity, prefix), max_body_size=_NO_LIMIT, body_timeout=_SLOWEST
    )
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server.listen(port, host)
    lab.start()
    await restarts.start()
    _LOG.info("dllab-hub %s serves %s at %s port %s", __version__, state.root, host, port)
    await ended.wait()
    server.stop()
    try:
        async with asyncio.timeout(_CLOSE):
            await restarts.close()
            await lab.close()
            await identity.close()
    except TimeoutError:
        _LOG.warning("Not everything was let go of within %g seconds.", _CLOSE)


def _end_with_parent() -> None:
    """The hub takes this process along, however it ends. Linux only."""
    if sys.platform == "linux":
        parent = os.getppid()
        libc: Any = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(0)  # It ended before the line above.


if __name__ == "__main__":
    sys.exit(main())
