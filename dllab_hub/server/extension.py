"""`LabExtension`: the routes in a Jupyter server.

In a lab of a hub (``DLLAB_API_URL`` is set) they pass everything on to the lab service. In a plain
``jupyter lab`` this process runs the jobs itself, and tells its kernels where to find it.
"""

from __future__ import annotations

import atexit
import os
import secrets
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join
from prometheus_client import REGISTRY

from ..metrics.prometheus import Exposed
from ..specs import JobState
from ..state import StateDir
from . import landing, ssh, tensorboard
from .activity import Activity, HubReport, gpus_used, kernels_busy, lab_gpus
from .alerting import Alerting
from .contents import configured
from .idle import IdleWatch
from .lab import Lab
from .lab_view import KEY, Place
from .metrics import Scraped, measured
from .relay import Relay
from .routes import routes

__all__ = ("LabExtension",)

_ADDRESS, _TOKEN = "DLLAB_API_URL", "DLLAB_API_TOKEN"
_ANY = {"", "0.0.0.0", "::", "*"}


class LabExtension(ExtensionApp):  # type: ignore[misc]
    """The server extension."""

    name = "dllab_hub"

    def _link_jupyter_server_extension(self, serverapp: Any) -> None:
        """The server is configured and has made nothing yet: it gets the data volumes."""
        super()._link_jupyter_server_extension(serverapp)
        serverapp.update_config(configured(serverapp.contents_manager_class))

    def initialize_settings(self) -> None:
        """Construct everything once."""
        self._told: list[str] = []
        files = Path(self.serverapp.root_dir)
        boards = self._boards()
        far = os.environ.get(_ADDRESS)
        self.lab = _remote(boards, files) if far else self._local(boards, files)
        self.settings["dllab"] = self.lab
        self._scraped = Scraped(lambda: measured(self.lab, private=False))
        self._exposed = Exposed(self._scraped.samples)
        base = self.serverapp.base_url
        self.ssh = ssh.open_ssh(os.environ, Path(self.serverapp.runtime_dir))
        if self.ssh is not None:
            # The proxy's own signal handler may end this process without stopping extensions.
            atexit.register(self.ssh.close)
        self.settings[KEY] = Place(os.environ, base, boards[0]["url"] if boards else "", self.ssh)
        if far and self._proxies():
            # By the kernel's own account of it, `%tensorboard` is on the machine of the browser.
            url = url_path_join(base, tensorboard.PORTS, "%PORT%/")
            self._tell("TENSORBOARD_PROXY_URL", url)
        if far and os.environ.get("JUPYTERHUB_ACTIVITY_URL"):
            self.lab.idle = self._idle(self.lab)

    def initialize_handlers(self) -> None:
        """Add the routes."""
        app = self.serverapp.web_app
        base = app.settings["base_url"]
        app.add_handlers(".*$", [*routes(base, self.lab.serve_url), *landing.routes(base)])
        app.add_handlers(".*$", ssh.routes(base, self.ssh))
        if self._proxies():
            app.add_handlers(".*$", tensorboard.port_routes(base))

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """The port is bound now: kernels can be told of it. Does not wait for the backend."""
        if self.lab.kind == "local":
            self._tell(_ADDRESS, _address(serverapp))
            self._tell(_TOKEN, self.lab.token or serverapp.identity_provider.token)
        self.lab.start()
        # On the server's own /metrics, which may be open to everybody.
        REGISTRY.register(self._exposed)
        if self.lab.idle is not None:
            self.lab.idle.activity.start()

    async def stop_extension(self) -> None:
        """Let go; jobs run on."""
        for name in self._told:
            os.environ.pop(name, None)
        with suppress(KeyError):  # It was never started.
            REGISTRY.unregister(self._exposed)
        await self._scraped.close()
        if self.ssh is not None:
            self.ssh.close()
        if self.lab.idle is not None:
            await self.lab.idle.activity.close()
        await self.lab.close()

    def _tell(self, name: str, value: str) -> None:
        os.environ[name] = value
        self._told.append(name)

    def _local(self, boards: list[dict[str, str]], files: Path) -> Lab:
        # Imported here: a lab of a hub needs none of it.
        from ..backends.local import LocalBackend
        from ..backends.local.account import own_account
        from ..backends.local.capacity import holders
        from ..leases import LeaseDir
        from ..metrics.sampler import Sampler

        state = StateDir.default()
        sampler = Sampler()
        backend = LocalBackend(state, here=True, gpu_report=sampler.glance)
        return Lab(
            backend,
            sampler,
            owner=own_account(),
            alerts=Alerting(
                state, backend, sampler, leases=LeaseDir(state.leases), sole=own_account()
            ),
            # Without a token, because there is a password or no sign-in at all, kernels would be
            # refused: they have no cookies. They get one that opens these routes only.
            token="" if self.serverapp.identity_provider.token else secrets.token_hex(),
            boards=boards,
            holders=partial(holders, LeaseDir(state.leases)),
            serve_url=url_path_join(self.serverapp.base_url, "dllab/serve/"),
            files=files,
            # On the disk of the models: a file that has come is moved there.
            uploads=state.root / "uploads",
        )

    def _idle(self, lab: Lab) -> IdleWatch:
        """What the hub's idle policy has to know of this lab."""
        from ..backends.remote import RemoteBackend
        from ..metrics.sampler import Sampler

        assert isinstance(lab.backend, RemoteBackend)
        app, backend = self.serverapp, lab.backend
        gpus = lab_gpus(os.environ)

        async def kernel() -> bool:
            return kernels_busy(app.kernel_manager)

        running = [state for state in JobState if state.is_running]

        async def job() -> bool:
            page = await backend.list("", states=running, limit=1)
            return bool(page.jobs)

        limit = int(os.environ.get("DLLAB_IDLE") or 0)
        sampler = Sampler(linger=2)  # Read once or twice, and sleep again.
        activity = Activity(
            app.web_app,
            {"kernel": kernel, "gpu": partial(gpus_used, sampler.report, gpus), "job": job},
            HubReport(os.environ),
            # Four times within the limit, if it is short.
            every=min(60.0, 15.0 * limit or 60.0),
        )
        return IdleWatch(
            activity,
            limit=limit,
            gpus=len(gpus),
            server=os.environ.get("JUPYTERHUB_SERVER_NAME", ""),
            far=backend,
        )

    def _proxies(self) -> bool:
        proxy = self.serverapp.extension_manager.extensions.get("jupyter_server_proxy")
        return proxy is not None and bool(proxy.enabled)

    def _boards(self) -> list[dict[str, str]]:
        if os.environ.get("DLLAB_TENSORBOARD") == "0" or not self._proxies():
            return []
        url = url_path_join(self.serverapp.base_url, "tensorboard/")
        return [{"name": "tensorboard", "url": url, "logdir": str(tensorboard.logdir())}]


def _remote(boards: list[dict[str, str]], files: Path) -> Lab:
    from ..backends.remote import RemoteBackend

    token = os.environ.get(_TOKEN) or os.environ.get("JUPYTERHUB_API_TOKEN", "")
    url = os.environ[_ADDRESS]
    backend = RemoteBackend.at(url, token)
    gpus = Relay(url, token, backend.gpus)
    return _Forwarding(
        backend, gpus, kind="remote", boards=boards, files=files, alerts=backend.alerts
    )


class _Forwarding(Lab):
    """A lab whose jobs are run elsewhere: who one is, is what one is there."""

    async def status(self, owner: str) -> dict[str, Any]:
        there: dict[str, Any] = await self.backend.status()  # type: ignore[attr-defined]
        mine = await super().status(owner)
        return {**mine, **{key: there[key] for key in ("user", "mode", "serves")}}


def _address(serverapp: Any) -> str:
    """Where a process of this machine finds the routes."""
    ip = serverapp.ip
    if ip in _ANY:
        ip = "::1" if ip == "::" else "127.0.0.1"
    base = serverapp._get_urlparts(path=serverapp.base_url, ip=ip).geturl()
    return f"{base.rstrip('/')}/dllab/api/"


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__, "app": LabExtension}]


# For `dllab_hub` itself, whose extension point names this module only.
_load_jupyter_server_extension = LabExtension._load_jupyter_server_extension


async def _start_jupyter_server_extension(serverapp: Any) -> None:
    extension: LabExtension = serverapp.web_app.settings[LabExtension.name]
    await extension._start_jupyter_server_extension(serverapp)
