"""Real servers in a thread of the test's process: the lab service, a Jupyter server, a stub hub."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from jupyter_server.serverapp import ServerApp
from jupyterhub.services.auth import HubAuth
from stub_hub import SCOPE, Loop, StubHub, listen, running_loop, stop_server, stub_hub
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler
from traitlets.config import Config

from dllab_hub.hub.identity import HubIdentityProvider
from dllab_hub.hub.service import application
from dllab_hub.server.lab import Lab
from dllab_hub.specs import GpuReport, GpuState, JobState
from dllab_hub.testing import MemoryBackend

__all__ = (
    "ONNX", "SCOPE", "Host", "StubHub", "browser", "jupyter_host", "lab_host", "running_loop",
    "service_host", "stub_hub", "until",
)  # fmt: skip

PREFIX = "/services/dllab/"
#: What the models of a `MemoryBackend` are made of: no more than its first look needs.
ONNX = b"\x08\x0a a model"


class NoGpus:
    """A machine without GPUs."""

    async def report(self) -> GpuReport:
        return GpuReport(state=GpuState.NO_GPU, message="There is no GPU here.", time=1.0)


class Host:
    """A server with our routes on a `MemoryBackend`, and a browserless browser for it.

    Attributes:
        url: Of the interface.
        origin: Scheme, host and port.
        token: Of somebody who may come in; what they are called is ``user``.
    """

    def __init__(self, url: str, token: str, user: str, lab: Lab, app: Application, loop: Loop):
        self.url, self.token, self.user = url, token, user
        self.lab, self.app, self.loop = lab, app, loop
        self.origin = "/".join(url.split("/", 3)[:3])
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=20)
        # Who signs in with a cookie sends it by hand: nobody after them is signed in too.
        self.http.event_hooks = {"response": [lambda _: self.http.cookies.clear()]}

    @property
    def backend(self) -> MemoryBackend:
        assert isinstance(self.lab.backend, MemoryBackend)
        return self.lab.backend

    def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"token {self.token if token is None else token}"}
        return self.http.request(
            method, path, headers={**headers, **more.pop("headers", {})}, **more
        )

    def patterns(self) -> Iterator[tuple[str, str]]:
        """Method and an address for every route of ours in the live table.

        Those of the interface come without ``{url}``, those of endpoints with all of it.
        """
        api, serve = self.url.removeprefix(self.origin), self.lab.serve_url
        found = dict.fromkeys((api, serve), 0)
        for rule in _all_rules(self.app):
            pattern = rule.matcher.regex.pattern.removesuffix("$")
            base = next((base for base in found if pattern.startswith(re.escape(base))), None)
            if base is None:
                continue
            found[base] += 1
            path = pattern.removeprefix(re.escape(base))
            path = path.replace("([^/]+)", "nosuch-bcdfghj").replace("(.*)", "nowhere")
            path = path.replace("\\", "")
            for method in ("get", "post", "put", "patch", "delete"):
                if getattr(rule.target, method) is not getattr(RequestHandler, method):
                    yield method.upper(), path if base == api else f"{self.origin}{serve}{path}"
        assert all(found.values())

    def endpoint(self, owner: str, name: str, path: str = "") -> str:
        """Where a deployment answers."""
        return f"{self.origin}{self.lab.serve_url}{owner}/{name}/{path}"

    def end_new_jobs_after(self, seconds: float, state: str = "SUCCEEDED", text: str = "") -> None:
        """Let every job that is submitted from now on print ``text`` and end."""
        known = set(self.backend._records)

        def watch() -> None:
            give_up = time.monotonic() + 30
            while time.monotonic() < give_up:
                for id in set(self.backend._records) - known:
                    time.sleep(seconds)
                    self.backend.write_log(id, "worker-0", text)
                    self.backend.finish(id, JobState(state))
                    return
                time.sleep(0.02)

        threading.Thread(target=watch, daemon=True).start()


def _all_rules(app: Application) -> Iterator[Any]:
    for rule in [*app.wildcard_router.rules, *app.default_router.rules]:
        yield from _rules(rule)


def _rules(rule: Any) -> Iterator[Any]:
    inner = getattr(rule.target, "rules", None)
    if inner is None:
        if hasattr(rule.matcher, "regex"):
            yield rule
    else:
        for each in inner:
            yield from _rules(each)


def browser(host: Host) -> dict[str, str]:
    """Headers of a browser that is signed in by cookie, with its XSRF token."""
    with httpx.Client(trust_env=False) as http:
        root = host.url.removesuffix("dllab/api/")
        http.get(f"{root}login")
        xsrf = http.cookies["_xsrf"]
        http.post(f"{root}login", data={"password": host.token, "_xsrf": xsrf})
        xsrf = http.cookies["_xsrf"]
        cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
    return {"Cookie": cookie, "X-XSRFToken": xsrf}


@contextmanager
def service_host(loop: Loop, hub: StubHub, lab: Lab | None = None) -> Iterator[Host]:
    """The lab service's application; ``ada-token`` and ``grace-token`` may come in.

    Args:
        loop: It runs there.
        hub: Knows the tokens.
        lab: What it serves; by default one in memory, without GPUs that can be read.
    """
    hub.add("ada-token", "ada")
    hub.add("grace-token", "grace")
    if lab is None:
        backend = MemoryBackend(gpus=("GPU-0", "GPU-1"))
        lab = Lab(backend, NoGpus(), kind="memory", serve_url=f"{PREFIX}serve/")

    async def start() -> tuple[Application, HTTPServer, int, HubIdentityProvider]:
        auth = HubAuth(api_url=hub.url, api_token="the-services-own", cache_max_age=30)
        identity = HubIdentityProvider(hub_auth=auth)
        app = application(lab, identity, PREFIX)
        server = HTTPServer(app, max_body_size=1 << 40)
        lab.start()
        return app, server, listen(server), identity

    app, server, port, identity = loop.call(start())
    host = Host(f"http://127.0.0.1:{port}{PREFIX}dllab/api/", "ada-token", "ada", lab, app, loop)
    yield host
    host.http.close()

    async def stop() -> None:
        await stop_server(server)
        await lab.close()
        await identity.close()

    loop.call(stop())


@contextmanager
def jupyter_host(loop: Loop, home: Path, base_url: str = "/user/ada@x/") -> Iterator[Host]:
    """A Jupyter server with the extension, on a `MemoryBackend`. The environment is the caller's.

    What a server process does around it (binding, signals) is tested with a process of its own.
    """
    token = "a-jupyter-token"

    async def start() -> tuple[ServerApp, HTTPServer, int]:
        config = Config()
        others = ("dllab_hub", "jupyterlab", "jupyter_lsp", "jupyter_server_proxy", "notebook_shim")
        config.ServerApp.jpserver_extensions = {
            **dict.fromkeys(others, False),
            "dllab_hub.server.extension": True,
        }
        config.IdentityProvider.token = token
        app = ServerApp(
            config=config, base_url=base_url, root_dir=str(home), open_browser=False, port=0,
            runtime_dir=str(home), config_dir=str(home), data_dir=str(home),
            reraise_server_extension_failures=True,
        )  # fmt: skip
        app.init_signal = lambda: None  # Only a main thread may handle signals.
        app.initialize(argv=[], new_httpserver=False)
        server = HTTPServer(app.web_app)
        before = app.web_app.settings["dllab"]
        lab = Lab(
            MemoryBackend(gpus=("GPU-0", "GPU-1")), NoGpus(), kind="memory", owner="ada",
            serve_url=before.serve_url, files=before.files, uploads=home / "uploads",
        )  # fmt: skip
        await before.close()
        app.web_app.settings["dllab"] = app.web_app.settings["dllab_hub"].lab = lab
        lab.start()
        return app, server, listen(server)

    app, server, port = loop.call(start())
    url = f"http://127.0.0.1:{port}{app.base_url}dllab/api/"
    host = Host(url, token, "ada", app.web_app.settings["dllab"], app.web_app, loop)
    yield host
    host.http.close()

    async def stop() -> None:
        await stop_server(server)
        await app._cleanup()

    loop.call(stop())


@contextmanager
def lab_host() -> Iterator[Host]:
    """What a kernel or a terminal of ada's lab finds at DLLAB_API_URL."""
    with running_loop() as loop, stub_hub(loop) as hub, service_host(loop, hub) as host:
        yield host


def until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """The first true value of the condition."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return value
