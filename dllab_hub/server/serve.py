"""The endpoints themselves: ``serve/<owner>/<name>/...``, what the model server says as it says it.

They lie beside ``dllab/api/`` and not below it: these are the addresses that programs are given.
"""

from __future__ import annotations

import re
from typing import Any

from jupyter_server.auth.identity import User

from ..backends.admission import Asker
from ..backends.calls import Call, NoAnswer
from ..errors import InvalidRequest, NotFound
from ..specs import Deployment, ModelVersion
from .deployments import version_of
from .handler import LabHandler, Nowhere, allowed

__all__ = ("ROUTES",)

#: Of a request: a key to the deployment, of a program that has no token of the hub.
_KEY = "X-DLLab-Key"

#: Addresses of the two protocols; no other page of a model server is shown under the hub's name.
_PATH = re.compile(r"v[12](/[A-Za-z0-9._:-]+)*")
#: Both protocols have a place for a version; the deployment, not the replica, knows who has it.
_OF_A_VERSION = re.compile(r"(v[12]/models/[^/:]+)/versions/([1-9][0-9]{0,9})(?![0-9])(.*)")
_PASSED_ON = ("Content-Type", "Accept", "Inference-Header-Content-Length")
_PASSED_BACK = ("x-model-version", "inference-header-content-length")
#: What a browser draws is never under a model's control.
_KINDS = {"application/json", "application/octet-stream", "text/plain"}


class Serve(LabHandler):
    """``serve/<owner>/<name>/<path>``, for the owner and whom the deployment is open to."""

    changes = False

    async def recognise(self) -> None:
        """A key says who asks; a token beside it is not looked at."""
        key = self.request.headers.get(_KEY)
        if key is None:
            return
        self.lab.check()
        owner, name = self.path_args[:2]
        await self.serving.admit(owner, name, Asker(key=key))
        self.by_key = True
        self._jupyter_current_user = User(f"key {key[:12]}")  # Its id, not the secret.
        # A browser never sends it by itself, as it would a cookie.
        self._token_authenticated = True

    @allowed
    async def get(self, owner: str, name: str, path: str = "") -> None:
        """What the model server says; at the bare address, what there is to ask."""
        if path:
            await self._call("GET", owner, name, path)
            return
        self.query()
        await self._check(owner, name)
        there = self.lab.located(await self.serving.get(owner, name))
        versions = await self.serving.versions(owner, there.spec.model)
        model = next((each for each in versions if each.version == there.version), None)
        if self.by_key or self.owner != owner:  # It may name labs and jobs of the owner.
            there = there.model_copy(update={"reason": ""})
        self.reply(_about(there, model))

    @allowed
    async def post(self, owner: str, name: str, path: str = "") -> None:
        """Ask the model."""
        await self._call("POST", owner, name, path)

    async def _call(self, method: str, owner: str, name: str, path: str) -> None:
        asked = version_of(self.query("version"))
        await self._check(owner, name)
        if not _PATH.fullmatch(path) or not {".", ".."}.isdisjoint(path.split("/")):
            raise NotFound("there is nothing at this address of the model.")
        given = self.request.headers
        headers = {key.lower(): given[key] for key in _PASSED_ON if key in given}
        path, version = _split(path, asked)
        call = Call(method, path, self.body, headers, version)
        try:
            reply = await self.serving.call(owner, name, call)
        except NoAnswer as exc:
            if self.by_key or self.owner != owner:
                raise exc.untold() from None
            raise
        found = {key.lower(): value for key, value in reply.headers.items()}
        for key in _PASSED_BACK:
            if key in found:
                self.set_header(key, found[key])
        kind = found.get("content-type", "")
        known = kind.partition(";")[0].strip().lower() in _KINDS
        self.set_status(reply.status)
        self.finish(reply.body, set_content_type=kind if known else "application/octet-stream")

    async def _check(self, owner: str, name: str) -> None:
        """`NotFound` unless it may be asked by this person; a key was looked at before."""
        if not self.by_key:
            await self.serving.admit(owner, name, Asker(self.owner, self.groups))


def _split(path: str, asked: int | None) -> tuple[str, int | None]:
    """The path without a version, and which version is to answer."""
    found = _OF_A_VERSION.fullmatch(path)
    if found is None:
        return path, asked
    version = int(found[2])
    if asked not in (None, version):
        raise InvalidRequest("is another one than that of the address.", field="version")
    return found[1] + found[3], version


def _about(there: Deployment, model: ModelVersion | None) -> dict[str, Any]:
    return {
        "name": there.name,
        "owner": there.owner,
        "model": there.spec.model,
        "version": there.version,
        "versions": [each.to_wire() for each in there.versions],
        "state": there.state.value,
        "reason": there.reason,
        "inputs": [tensor.to_wire() for tensor in model.inputs] if model else [],
        "outputs": [tensor.to_wire() for tensor in model.outputs] if model else [],
        "example": model.example if model else "",
        "urls": {
            "v1": f"{there.url}v1/models/{there.name}:predict",
            "v2": f"{there.url}v2/models/{there.name}/infer",
        },
    }


ROUTES = (
    (r"([^/]+)/([^/]+)", Serve),
    (r"([^/]+)/([^/]+)/(.*)", Serve),
    (r"(.*)", Nowhere),
)
