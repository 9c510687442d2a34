"""``dllab access``, ``keys`` and ``endpoints`` as programs of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from served import ONNX, Host, lab_host

from dllab_hub import Client

_Dllab = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def lab() -> Iterator[Host]:
    """A lab without processes."""
    with lab_host() as host:
        yield host


@pytest.fixture
def dllab(tmp_path: Path, lab: Host) -> _Dllab:
    """The command in a terminal of a lab; there is a deployment ``net``."""
    (tmp_path / "net.onnx").write_bytes(ONNX)
    (tmp_path / "rows.json").write_text("[[1]]")

    def run(*words: str, token: str = "") -> subprocess.CompletedProcess[str]:
        env = {"DLLAB_API_URL": lab.url, "DLLAB_API_TOKEN": token or lab.token}
        return subprocess.run(
            [sys.executable, "-m", "dllab_hub.cli", *words],
            cwd=tmp_path,
            env={**os.environ, "DLLAB_HOME": str(tmp_path / "state"), **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert 0 == run("deploy", "net.onnx").returncode
    return run


def test_who_may_ask(dllab: _Dllab) -> None:
    """It is shown, opened and closed in words, and who is let in finds it and asks it."""
    grace = "grace-token"
    assert "net may be asked by only you" in dllab("access", "net").stdout
    refused = dllab("predict", "ada/net", "rows.json", token=grace)
    assert (1, True) == (refused.returncode, "no such deployment" in refused.stderr)
    opened = dllab("access", "net", "--everyone").stdout
    assert opened.startswith("net may be asked by everyone in the hub\n")
    listed = dllab("endpoints", token=grace).stdout.splitlines()
    assert ["ada/net", "READY", "net:1"] == listed[1].split()[:3]
    assert "[[1]]\n" == dllab("predict", "ada/net", "rows.json", token=grace).stdout
    named = dllab("access", "net", "--group", "vision", "--group", "audio", "--json").stdout
    assert {"who": "groups", "groups": ["vision", "audio"]} == json.loads(named)["callers"]
    assert "you and vision, audio" in dllab("access", "net").stdout
    assert "only you" in dllab("access", "net", "--owner").stdout
    assert "no deployments that you may ask" in dllab("endpoints", token=grace).stdout


def test_keys(dllab: _Dllab, lab: Host) -> None:
    """A key is printed once with a line to copy, listed without it, used, and revoked."""
    made = json.loads(dllab("keys", "net", "--new", "the shop", "--for", "30d", "--json").stdout)
    at = lab.endpoint("ada", "net", "v1/models/net:predict")

    def asks() -> int:
        headers = {"X-DLLab-Key": made["key"]}
        body = {"instances": [[1]]}
        return httpx.post(at, json=body, headers=headers, trust_env=False).status_code

    assert 200 == asks()
    listed = dllab("keys", "net").stdout
    assert f"  {made['id']}  the shop  " in listed
    assert "  in " in listed
    assert made["key"] not in listed
    said = dllab("keys", "net", "--new", "other").stdout
    assert "it is shown this once" in said
    assert "/services/dllab/serve/ada/net/v1/models/net:predict" in said
    gone = dllab("keys", "net", "--revoke", made["id"])
    assert (0, True) == (gone.returncode, "opens nothing any more" in gone.stderr)
    assert 403 == asks()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["access", "nosuch"], 1, "no such deployment"),
        (["access", "net", "--everyone", "--owner"], 2, "not allowed with"),
        (["access", "net", "--group", ""], 2, "--group"),
        (["keys", "net", "--for", "1d"], 2, "goes with --new"),
        (["keys", "net", "--new", "x", "--for", "1"], 2, "--for: should be greater"),
        (["keys", "net", "--new", ""], 2, "--new: "),
        (["keys", "net", "--revoke", "nosuch"], 1, "no such key"),
    ],
)
def test_what_is_wrong(dllab: _Dllab, words: list[str], code: int, message: str) -> None:
    """One line says it, without a traceback."""
    answer = dllab(*words)
    assert (code, "") == (answer.returncode, answer.stdout)
    assert message in answer.stderr
    assert 1 == len(answer.stderr.strip().splitlines())


def test_more_than_a_page_of_endpoints(lab: Host) -> None:
    """All of them are found, not the first page only."""
    kind = {"Content-Type": "application/octet-stream"}
    lab.ask("POST", "models/net/versions", content=ONNX, headers=kind)
    for number in range(501):
        wish = {"name": f"net-{number}", "model": "net"}
        assert lab.ask("POST", "deployments", json=wish).status_code == 201
    client = Client(lab.url, lab.token)
    found = client.all_endpoints()
    client.close()

    assert 501 == len(found)
