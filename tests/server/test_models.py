"""Models over HTTP, on both hosts."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from served import ONNX, Host, until

from dllab_hub.server import models as models_module
from dllab_hub.server import upload as upload_module
from dllab_hub.server.upload import Upload
from dllab_hub.specs import ModelPage, ModelVersion


def left_behind(host: Host) -> list[str]:
    """Files in the directory of uploads."""
    return sorted(os.listdir(host.lab.uploads)) if host.lab.uploads.exists() else []


def refused(answer, status: int, field: str | None = None) -> str:
    """The sentence of an error of ours."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert field is None or field == error["field"]
    return str(error["message"])


def test_versions_follow_one_another(host: Host, publish, a_name: str) -> None:
    """Every file that is sent is the next version, under its own sum."""
    for number, data in enumerate((ONNX, ONNX + b"2"), 1):
        answer = publish(host, a_name, data)
        made = ModelVersion.from_wire(answer.json())
        assert (201, number, len(data)) == (answer.status_code, made.version, made.size)
        assert hashlib.sha256(data).hexdigest() == made.sha256
    found = host.ask("GET", f"models/{a_name}/versions").json()["versions"]

    assert [2, 1] == [ModelVersion.from_wire(each).version for each in found]
    assert [] == left_behind(host)


def test_pages(host: Host, publish, a_name: str) -> None:
    """Models come by name; pages follow one another."""
    names = [f"{a_name}-{letter}" for letter in "abc"]
    for name in names:
        publish(host, name)
    # A name that ends in "-" would be none; this one sorts just before the three.
    page = host.ask("GET", "models", params={"limit": 2, "next": a_name})
    first = ModelPage.from_wire(page.json())
    second = host.ask("GET", "models", params={"limit": 1, "next": first.next}).json()

    assert (names[:2], names[1]) == ([model.name for model in first.models], first.next)
    assert names[2] == second["models"][0]["name"]


def test_a_file_in_pieces(host: Host, publish, a_name: str) -> None:
    """A sender that does not know the length is served as well."""
    pieces = [ONNX, *([b"x" * 300_000] * 20)]
    answer = publish(host, a_name, iter(pieces))

    assert (201, sum(map(len, pieces))) == (answer.status_code, answer.json()["size"])


def test_a_file_larger_than_any_request(host: Host, publish, a_name: str) -> None:
    """The limit of other requests, and the server's own, are not those of a model."""
    size = 120 * 2**20
    answer = publish(host, a_name, iter([ONNX, *([bytes(2**20)] * 120)]))

    assert (201, size + len(ONNX)) == (answer.status_code, answer.json()["size"])


def test_what_is_no_model(host: Host, publish, a_name: str) -> None:
    """A file that is none is refused; nothing of it stays."""
    for data in (b"", b"<html>", b"\0" * 3_000_000):
        refused(publish(host, a_name, data), 400, "model")

    refused(host.ask("GET", f"models/{a_name}/versions"), 404)
    assert [] == left_behind(host)


@pytest.mark.parametrize("name", ["..%2Fx", "Digits", "x" * 41, "%00", "%E2%80%AE", "-x", "a%0A"])
def test_names_of_nothing(host: Host, publish, name: str) -> None:
    """What is no name cannot be published, and is not there."""
    refused(publish(host, name), 400, "model")
    refused(host.ask("POST", f"models/{name}/versions", json={"path": "x"}), 400)
    refused(host.ask("GET", f"models/{name}/versions"), 404)


def test_nothing_is_kept_under_a_name_of_nothing(host: Host, publish) -> None:
    """What is refused for its address is not written to the disk while it comes."""
    seen = []

    def pieces():
        for _ in range(10):
            seen.extend(left_behind(host))
            yield ONNX + bytes(2**20)

    refused(publish(host, "No.Name", pieces()), 400, "model")
    assert [] == seen


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "in pieces"])
def test_a_file_above_the_limit(
    host: Host, publish, a_name: str, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too large a file is refused before it comes or as soon as it is; nothing of it stays."""
    monkeypatch.setattr(
        models_module, "Upload", lambda folder: Upload(folder, limit=5 * 1024 * 1024)
    )
    data = [bytes(2**20)] * 7
    answer = publish(host, a_name, iter(data) if chunked else b"".join(data))

    assert "5 MiB" in refused(answer, 413)
    # The end of it was waited for: an answer before that gets lost in the hub's proxy.
    assert "close" != answer.headers.get("connection")
    until(lambda: not left_behind(host))
    assert host.ask("GET", "status").is_success


def test_no_room(host: Host, publish, a_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk has no room that is said before the file comes, and nothing is kept."""
    monkeypatch.setattr(upload_module, "_LEFT", 1 << 60)
    message = refused(publish(host, a_name), 507)

    assert "no room" in message
    until(lambda: not left_behind(host))


def test_no_room_in_the_middle(
    host: Host, publish, a_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up while a file comes is said as soon as it is full."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upload_module.os, "write", full)
    answer = publish(host, a_name, iter([bytes(2**20)] * 64))

    assert "no room" in refused(answer, 507)
    until(lambda: not left_behind(host))


def test_a_sender_who_goes_away(host: Host, a_name: str) -> None:
    """Half a file is no version and does not stay."""
    import socket

    at, path = host.origin.removeprefix("http://").split(":"), host.url.removeprefix(host.origin)
    with socket.create_connection((at[0], int(at[1]))) as sender:
        sender.sendall(
            f"POST {path}models/{a_name}/versions HTTP/1.1\r\nHost: 127.0.0.1:{at[1]}\r\n"
            f"Authorization: token {host.token}\r\nContent-Length: 9000000\r\n"
            "Content-Type: application/octet-stream\r\n\r\n".encode()
        )
        sender.sendall(bytes(3_000_000))
        until(lambda: left_behind(host))
    until(lambda: not left_behind(host))

    refused(host.ask("GET", f"models/{a_name}/versions"), 404)


def test_strangers_send_nothing(service: Host, a_hub, publish, a_name: str) -> None:
    """Who may not come in is refused before the first byte of a file is kept."""
    a_hub.add("no-scope", "mallory", scopes=())
    before = left_behind(service)
    for token in ("wrong", "no-scope"):
        answer = publish(service, a_name, iter([bytes(2**20)] * 30), token=token)
        refused(answer, 403)
        assert "close" == answer.headers["connection"]
    assert before == left_behind(service)


class TestFilesOfTheLab:
    """A file that lies in the lab is published by its path, where the host has files."""

    @pytest.fixture
    def files(self, jupyter: Host, a_name: str) -> Path:
        """A folder of the person's."""
        assert jupyter.lab.files is not None
        folder = jupyter.lab.files / a_name
        folder.mkdir()
        return folder

    def test_a_file(self, jupyter: Host, files: Path, a_name: str) -> None:
        """It becomes a version, and stays where it is."""
        (files / "net.onnx").write_bytes(ONNX)
        path = f"{a_name}/net.onnx"
        answer = jupyter.ask("POST", f"models/{a_name}/versions", json={"path": path})

        assert (201, len(ONNX)) == (answer.status_code, answer.json()["size"])
        assert ONNX == (files / "net.onnx").read_bytes()
        assert [] == left_behind(jupyter)

    @pytest.mark.parametrize(
        "path",
        ["../secret.onnx", "/etc/passwd", "nosuch.onnx", ".", "", "a\0b", "link", "pipe", "round",
         "x" * 5000, "\ud800", 5, None, ["x"]],
        ids=lambda path: repr(path)[:20],
    )  # fmt: skip
    def test_other_paths(self, jupyter: Host, files: Path, a_name: str, path: object) -> None:
        """Only regular files below the root, links followed, are read; a pipe is not waited for."""
        (files.parent.parent / "secret.onnx").write_bytes(ONNX)
        (files / "link").symlink_to("/etc/passwd")
        (files / "round").symlink_to("round")
        os.mkfifo(files / "pipe")
        if path in ("link", "pipe", "round", "."):
            path = f"{a_name}/{path}"
        body = json.dumps({"path": path})
        answer = jupyter.ask("POST", f"models/{a_name}/versions", content=body)

        message = refused(answer, 400)
        assert "root:" not in message
        refused(jupyter.ask("GET", f"models/{a_name}/versions"), 404)
        assert [] == left_behind(jupyter)

    def test_the_service_has_none(self, service: Host, a_name: str) -> None:
        """The service reads no path that somebody names."""
        answer = service.ask("POST", f"models/{a_name}/versions", json={"path": "net.onnx"})

        refused(answer, 400, "path")

    @pytest.mark.parametrize("more", [{"owner": "grace"}, {"file": "x"}])
    def test_other_keys(self, host: Host, a_name: str, more: dict) -> None:
        """A key that means nothing is refused."""
        body = {"path": "x", **more}
        assert "key" in refused(host.ask("POST", f"models/{a_name}/versions", json=body), 400)
