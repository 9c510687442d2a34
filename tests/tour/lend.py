"""What the owner of a deployment does with it: a canary, and a key for a program elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import httpx
from browser_session import BrowserSession, Kernel, Refused
from operate import Step, found

__all__ = ("lend",)

#: Once more what is published already: a person would have trained it anew.
CANARY = """\
import time
client = _deployment.client
file = client.download("digits", 1, "again.onnx")
version = client.publish("digits", file).version
%canary digits {version} --percent 50
while any(not one.ready for one in _deployment.refresh().info.versions):
    time.sleep(0.1)
print("CANARY", version)
"""
PROMOTES = """\
%promote digits
_deployment.wait(show=False)
print("SERVES", _deployment.refresh().info.version, _deployment.state)
"""
KEY = """\
%keys digits --new "a program elsewhere" --for 1d
print("KEYS", len(_deployment.client.access("digits").keys))
"""
REVOKES = """\
%keys digits --revoke {id}
"""
ASKED = 60


async def lend(step: Step, kernel: Kernel, session: BrowserSession) -> None:
    """Every wish in a notebook of the lab, every request at the hub's address."""
    deployment = session.get("dllab/api/deployments/digits")
    url = f"{session.address}{deployment['url']}v1/models/digits:predict"
    said = await kernel.run("import json; print(json.dumps((test_x[:1] / 16).tolist()))", 30)
    body = {"instances": json.loads(said)}

    def answers(headers: dict[str, str], count: int) -> Counter[str]:
        with httpx.Client(headers=headers, trust_env=False, timeout=20) as http:
            made = [http.post(url, json=body) for _ in range(count)]
        return Counter(each.headers.get("x-model-version", str(each.status_code)) for each in made)

    with step("%canary: two versions share the requests; %promote") as saw:
        version = found(
            r"CANARY (\d+)", await kernel.run(CANARY.replace("{version}", "$version"), 120)
        )[1]
        token = {"Authorization": f"token {session.token()}"}
        shares = await asyncio.to_thread(answers, token, ASKED)
        if set(shares) != {"1", version} or min(shares.values()) < ASKED / 6:
            raise Refused(f"of {ASKED} requests: {shares}")
        promoted = found(r"SERVES (\d+) (\w+)", await kernel.run(PROMOTES, 120))
        if (promoted[1], promoted[2]) != (version, "READY"):
            raise Refused(promoted[0])
        saw(f"of {ASKED} requests {dict(shares)} by version; then version {version} alone")
    with step("a key lets a program outside the hub ask, until it is revoked") as saw:
        key = found(r"(dlk_[0-9a-f]{8}_\S+)", await kernel.run(KEY, 30))[1]
        before = await asyncio.to_thread(answers, {"X-DLLab-Key": key}, 3)
        await kernel.run(REVOKES.replace("{id}", key[4:12]), 30)
        after = await asyncio.to_thread(answers, {"X-DLLab-Key": key}, 1)
        if (before, after) != (Counter({version: 3}), Counter({"403": 1})):
            raise Refused(f"before: {before}, after: {after}")
        saw("3 answers with the key and no token; 403 once it was revoked")
