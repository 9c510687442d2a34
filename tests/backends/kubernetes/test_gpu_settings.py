"""What an administrator says of where the GPUs of a cluster are measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.backends.kubernetes.gpu_settings import gpu_metrics_of, homes_of
from dllab_hub.errors import DLLabError
from dllab_hub.state import StateDir


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({"url": ""}, "url"), ({}, "url"), ({"url": "prometheus:9090"}, "url"),
        ({"url": "ftp://p/"}, "url"), ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "http://"}, "url"), ({"url": "http://p:x/"}, "url"), ({"url": "http://[1"}, "url"),
        ({"url": "http://a:b@p/"}, "url"), ({"url": "http://p/?q=1"}, "url"),
        ({"url": "http://p/\r\nX: y"}, "url"), ({"url": "http://p/#x"}, "url"), ({"url": 7}, "url"),
        ({"url": "http://p/", "token_file": "token"}, "token_file"),
        ({"url": "http://p/", "every": 0}, "every"),
        ({"url": "http://p/", "every": 301}, "every"),
        ({"url": "http://p/", "labels": {"a-b": "x"}}, "labels"),
        ({"url": "http://p/", "labels": {"__name__": "x"}}, "labels"),
        ({"url": "http://p/", "token": "secret"}, "token"),
    ],
)  # fmt: skip
def test_what_is_refused(
    table: dict[str, Any], field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key that is wrong is named, and not what it says."""
    monkeypatch.setenv("DLLAB_CATALOG", json.dumps({"gpu_metrics": {"every": 15, **table}}))
    with pytest.raises(DLLabError) as caught:
        gpu_metrics_of(StateDir(tmp_path, tmp_path))

    assert f"gpu_metrics.{field}" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_is_said(tmp_path: Path) -> None:
    """Without a table nothing is measured; the namespaces are those of the settings."""
    state = StateDir(tmp_path, tmp_path)
    assert gpu_metrics_of(state) is None
    (tmp_path / "catalog.toml").write_text(
        '[gpu_metrics]\nurl = "https://p.example/x/"\n'
        '[cluster]\nclaim = "c"\nnamespace = "jobs"\n'
        '[serving.cluster]\nnamespace = "models"\n'
    )
    made = gpu_metrics_of(state)

    assert made is not None
    assert ("https://p.example/x/api/v1/query", 15.0) == (made.query_url, made.every)
    assert {"job": "jobs", "deployment": "models", "lab": "hub"} == homes_of(
        state, {"POD_NAMESPACE": "hub"}
    )
    assert {"job": "jobs", "deployment": "models"} == homes_of(state, {}, lambda: "")
