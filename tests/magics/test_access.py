"""Magics about who may ask a deployment."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from notebooks import Notebook
from served import ONNX, Host


@pytest.fixture
def digits(notebook: Notebook, tmp_path: Path) -> Notebook:
    """A notebook that has deployed ``digits``."""
    (tmp_path / "digits.onnx").write_bytes(ONNX)
    notebook.run("%deploy digits.onnx")
    assert notebook.ok
    return notebook


def test_another_persons_deployment(notebook, lab: Host, monkeypatch):
    """It is asked by its owner's name once it is open, and listed with it."""
    monkeypatch.setenv("DLLAB_API_TOKEN", "grace-token")
    kind = {"Content-Type": "application/octet-stream"}
    lab.ask("POST", "models/digits/versions", content=ONNX, headers=kind)
    lab.ask("POST", "deployments", json={"name": "digits", "model": "digits"})
    assert "no such deployment" in notebook.run("%predict ada/digits [[1.0]]")
    assert "no deployments that you may ask" in notebook.run("%endpoints")
    lab.ask("PUT", "deployments/digits/access", json={"who": "everyone"})
    assert "ada/digits" in notebook.run("%endpoints")
    notebook.run("%predict ada/digits [[1.0]]")

    assert [[1.0]] == notebook.result.tolist()


def test_who_may_ask(digits):
    """It is opened, shown and closed in words."""
    assert "only you" in digits.run("%access digits")
    assert "everyone in the hub" in digits.run("%access digits --everyone")
    assert "you and vision" in digits.run("%access digits --group vision")
    assert "only you" in digits.run("%access digits --owner")


def test_keys(digits, lab: Host):
    """A key is printed once; it opens the deployment until it is revoked."""
    text = digits.run('%keys digits --new "the shop" --for 30d')
    key = text.splitlines()[0]
    at = lab.endpoint("ada", "digits", "v1/models/digits:predict")

    def asks() -> int:
        headers, body = {"X-DLLab-Key": key}, {"instances": [[1.0]]}
        return httpx.post(at, json=body, headers=headers, trust_env=False).status_code

    assert "the shop; it is shown this once" in text
    assert 200 == asks()
    listed = digits.run("%keys digits")
    assert "the shop" in listed
    assert key not in listed
    digits.run(f"%keys digits --revoke {key[4:12]}")
    assert 403 == asks()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%access nosuch", "no such deployment"),
        ("%access digits --group ''", "--group: "),
        ("%keys digits --for 1d", "--for: goes with --new."),
        ("%keys digits --revoke 00000000", "no such key"),
        ("%keys", "NAME"),
    ],
)
def test_what_is_wrong(digits, line, said):
    """One line says it, and the cell has failed."""
    text = digits.run(line)

    assert not digits.ok
    assert said in text
    assert 1 == len(text.splitlines())


@pytest.mark.parametrize("magic", ["access", "keys", "endpoints"])
def test_help(digits, magic):
    """The options are printed, and nothing is done."""
    assert f"usage: %{magic}" in digits.run(f"%{magic} --help")
    assert digits.ok
