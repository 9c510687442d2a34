"""A person at a browser, without the browser: cookies, forms, redirects, a kernel's WebSocket."""

from __future__ import annotations

import asyncio
import html
import json
import re
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import httpx
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

__all__ = ("BrowserSession", "Kernel", "Refused")


class Refused(Exception):
    """The product did not do what a person would expect here."""


class BrowserSession:
    """Logs in to a hub and works with one lab, with nothing but what a browser would send."""

    def __init__(self, address: str, user: str) -> None:
        self.address = address.rstrip("/")
        self.user = user
        self.http = httpx.Client(
            base_url=self.address, follow_redirects=True, timeout=60, trust_env=False
        )

    @property
    def lab(self) -> str:
        """Path of the person's lab, with its slash."""
        return f"/user/{self.user}/"

    def xsrf(self, path: str) -> str:
        """The token that a page below ``path`` would send: the cookie of the longest match."""
        fits = [c for c in self.http.cookies.jar if c.name == "_xsrf" and path.startswith(c.path)]
        if not fits:
            raise Refused(f"no XSRF cookie for {path}")
        return max(fits, key=lambda c: len(c.path)).value or ""

    def log_in(self, password: str) -> None:
        """Fill in the login page."""
        self.http.get("/hub/login").raise_for_status()
        answer = self.http.post(
            "/hub/login",
            params={"next": "/hub/home"},
            data={
                "username": self.user,
                "password": password,
                "_xsrf": self.xsrf("/hub/login"),
            },
        )
        if answer.status_code != 200 or "/hub/home" not in str(answer.url):
            raise Refused(f"login answered {answer.status_code} at {answer.url}")

    def token(self) -> str:
        """A new token of the person, as the hub's page *Token* makes one."""
        answer = self.http.post(
            f"/hub/api/users/{self.user}/tokens",
            json={"note": "for a program outside of the lab"},
            headers={"X-XSRFToken": self.xsrf("/hub/api")},
        )
        if answer.status_code != 201:
            raise Refused(f"no token: {answer.status_code} {answer.text[:200]}")
        return str(answer.json()["token"])

    def form(self) -> str:
        """HTML of the login form's page."""
        return self.http.get("/hub/spawn").raise_for_status().text

    def start(self, choices: dict[str, Any]) -> None:
        """Press Start on the form."""
        answer = self.http.post(
            f"/hub/spawn/{self.user}", data={**choices, "_xsrf": self.xsrf("/hub/spawn")}
        )
        if answer.status_code >= 400:
            words = re.sub(r"<[^>]+>", " ", answer.text)
            raise Refused(
                f"the form answered {answer.status_code}: {' '.join(words.split())[:400]}"
            )

    def wait_for_lab(self, timeout: float) -> None:
        """Wait as the progress page does, then follow its redirect into JupyterLab."""
        with self.http.stream(
            "GET", f"/hub/api/users/{self.user}/server/progress", timeout=timeout
        ) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    event = json.loads(line.removeprefix("data:"))
                    if event.get("failed"):
                        raise Refused(html.unescape(event.get("message", "the lab failed")))
                    if event.get("ready"):
                        break
        page = self.http.get(f"{self.lab}lab").raise_for_status()
        if "jupyter-config-data" not in page.text:
            raise Refused(f"{page.url} is not JupyterLab")

    def get(self, path: str, **params: Any) -> Any:
        """JSON below the lab's URL."""
        answer = self.http.get(self.lab + path, params=params)
        if answer.status_code != 200:
            raise Refused(f"GET {path} answered {answer.status_code}: {answer.text[:200]}")
        return answer.json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """JSON to the lab, as its page would send it."""
        answer = self.http.post(
            self.lab + path, json=body, headers={"X-XSRFToken": self.xsrf(self.lab)}
        )
        if answer.status_code >= 400:
            raise Refused(f"POST {path} answered {answer.status_code}: {answer.text[:200]}")
        return answer.json()

    async def kernel(self) -> Kernel:
        """Start a kernel and open its WebSocket."""
        model = self.post("api/kernels", {"name": "python3"})
        host = urlsplit(self.address).netloc
        path = f"{self.lab}api/kernels/{model['id']}/channels"
        fits = [c for c in self.http.cookies.jar if path.startswith(c.path)]
        fits.sort(key=lambda c: -len(c.path))
        cookies = "; ".join(f"{c.name}={c.value}" for c in fits)
        request = HTTPRequest(
            f"ws://{host}{path}?session_id={uuid.uuid4().hex}",
            headers={"Cookie": cookies, "Origin": self.address},
        )
        return Kernel(await websocket_connect(request, max_message_size=64 * 2**20))


class Kernel:
    """One kernel at the other end of the server's WebSocket (Jupyter protocol 5, JSON frames)."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket

    async def run(self, code: str, timeout: float) -> str:
        """Run one cell; its text output (streams, results, plain text of displays).

        Raises:
            Refused: the cell raised; the text is its traceback.
            TimeoutError: it did not end in ``timeout`` seconds.
        """
        id = uuid.uuid4().hex
        await self._socket.write_message(
            json.dumps(
                {
                    "channel": "shell",
                    "header": {
                        "msg_id": id,
                        "msg_type": "execute_request",
                        "session": id,
                        "username": "",
                        "version": "5.3",
                        "date": "",
                    },
                    "parent_header": {},
                    "metadata": {},
                    "content": {"code": code, "silent": False, "store_history": True},
                }
            )
        )
        said: list[str] = []
        deadline = time.monotonic() + timeout
        while True:
            message = await self._receive(deadline, said)
            if message.get("parent_header", {}).get("msg_id") != id:
                continue
            content = message["content"]
            kind = message["header"]["msg_type"]
            if kind == "stream":
                said.append(content["text"])
            elif kind in {"execute_result", "display_data", "update_display_data"}:
                said.append(content["data"].get("text/plain", "") + "\n")
            elif kind == "error":
                trace = "\n".join(content["traceback"])
                raise Refused(re.sub(r"\x1b\[[0-9;]*m", "", trace))
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(said)

    async def _receive(self, deadline: float, said: list[str]) -> dict[str, Any]:
        left = deadline - time.monotonic()
        try:
            raw = await asyncio.wait_for(self._socket.read_message(), max(left, 0.001))
        except TimeoutError:
            raise TimeoutError(f"the cell is still running; it said: {''.join(said)}") from None
        if raw is None:
            raise Refused("the kernel's WebSocket was closed")
        message: dict[str, Any] = json.loads(raw)
        return message

    async def close(self) -> None:
        """Close the socket and see it closed, before its loop ends; the kernel goes on."""
        self._socket.close()
        async with asyncio.timeout(10):
            while await self._socket.read_message() is not None:
                pass
