"""Files that travel with jobs, over HTTP, on both hosts."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest
from served import Host, until
from workspace_files import archive, sha, workspace

from dllab_hub.server import upload as upload_module
from dllab_hub.server import workspaces as workspaces_module
from dllab_hub.specs import Upload, Workspace, WorkspaceFile

_NUMBERS = count(1)
_TAR = {"Content-Type": "application/x-tar"}


@pytest.fixture
def data() -> bytes:
    """Bytes that no other test has."""
    return f"print({next(_NUMBERS)})\n".encode()


@pytest.fixture
def wish(host: Host, data: bytes) -> Workspace:
    """A workspace of ada's that was announced."""
    wish = workspace({"train.py": data})
    assert host.ask("POST", "workspaces", json=wish.to_wire()).status_code == 200
    return wish


@pytest.fixture
def sent(tmp_path: Path, data: bytes) -> bytes:
    """An archive that fills it."""
    return archive(tmp_path / "sent.tar", data).read_bytes()


def put(host: Host, id: str, content, **more):
    return host.ask("PUT", f"workspaces/{id}/blobs", content=content, headers=_TAR, **more)


def refused(answer, status: int, field: str | None = None) -> str:
    """The sentence of an error of ours."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert field is None or field == error["field"]
    return str(error["message"])


def left_behind(host: Host) -> list[str]:
    """Files in the directory of uploads."""
    return sorted(os.listdir(host.lab.uploads)) if host.lab.uploads.exists() else []


def test_a_workspace(host: Host, data: bytes, tmp_path: Path) -> None:
    """It is announced, filled, and there; nothing stays where it came."""
    wish = workspace({"train.py": data, "lib/x.py": data + b"#"})
    told = Upload.from_wire(host.ask("POST", "workspaces", json=wish.to_wire()).json())
    sent = archive(tmp_path / "sent.tar", data, data + b"#").read_bytes()
    filled = Upload.from_wire(put(host, told.id, sent).json())

    assert Upload(id=wish.id, missing=tuple(sorted((sha(data), sha(data + b"#"))))) == told
    assert Upload(id=wish.id) == filled
    files = host.backend.workspaces.files("ada", wish.id)
    assert {"train.py": data, "lib/x.py": data + b"#"} == files
    until(lambda: not left_behind(host))


def test_an_archive_in_pieces(host: Host, wish: Workspace, sent: bytes) -> None:
    """A sender that does not know the length is served as well."""
    answer = put(host, wish.id, (sent[n : n + 100] for n in range(0, len(sent), 100)))

    assert Upload(id=wish.id) == Upload.from_wire(answer.json())


def test_an_archive_larger_than_any_request(host: Host, data: bytes, tmp_path: Path) -> None:
    """The limit of other requests, and the server's own, are not those of an archive."""
    big = data + bytes(120 << 20)
    wish = workspace({"big": big})
    host.ask("POST", "workspaces", json=wish.to_wire())
    sent = archive(tmp_path / "sent.tar", big)
    with sent.open("rb") as file:
        answer = put(host, wish.id, iter(lambda: file.read(1 << 20), b""))

    assert Upload(id=wish.id) == Upload.from_wire(answer.json())


def test_a_list_larger_than_any_request(host: Host) -> None:
    """The longest list may be sent: 50,000 files are more than eight megabytes."""
    files = tuple(
        WorkspaceFile(path=f"{'folder/' * 16}{n:06}", sha256=f"{n:064x}", size=0)
        for n in range(50_000)
    )
    body = Workspace(files=files).model_dump_json().encode()
    headers = {"Content-Type": "application/json"}
    answer = host.ask("POST", "workspaces", content=body, headers=headers, timeout=60)

    assert len(body) > 8 << 20
    assert 50_000 == len(Upload.from_wire(answer.json()).missing)


@pytest.mark.parametrize(
    ("files", "field"),
    [
        ([{"path": "../x", "sha256": "0" * 64, "size": 1}], "files.0.path"),
        ([{"path": "/etc/x", "sha256": "0" * 64, "size": 1}], "files.0.path"),
        ([{"path": "a//b", "sha256": "0" * 64, "size": 1}], "files.0.path"),
        ([{"path": "./a", "sha256": "0" * 64, "size": 1}], "files.0.path"),
        ([{"path": "a/", "sha256": "0" * 64, "size": 1}], "files.0.path"),
        ([{"path": "", "sha256": "0" * 64, "size": 1}], "files.0.path"),
        ([{"path": "a\nb", "sha256": "0" * 64, "size": 1}], "files.0.path"),
        ([{"path": "\u5b57" * 90, "sha256": "0" * 64, "size": 1}], "files.0.path"),
        ([{"path": "a", "sha256": "../../etc", "size": 1}], "files.0.sha256"),
        ([{"path": "a", "sha256": "0" * 64, "size": -1}], "files.0.size"),
        ([{"path": "a", "sha256": "0" * 64, "size": "1"}], "files.0.size"),
        ([{"path": "a", "sha256": "0" * 64, "size": 1}] * 2, "files"),
        (
            [
                {"path": "a", "sha256": "0" * 64, "size": 1},
                {"path": "a/b", "sha256": "1" * 64, "size": 1},
            ],
            "files",
        ),
        (
            [
                {"path": "a", "sha256": "0" * 64, "size": 1},
                {"path": "b", "sha256": "0" * 64, "size": 2},
            ],
            "files",
        ),
        ([{"path": "a", "sha256": "0" * 64, "size": 1 << 40}], "workspace"),
    ],
)
def test_lists_that_are_refused(host: Host, files: list, field: str) -> None:
    """What cannot be a workspace, or is too large, is refused; the field is named."""
    status = 413 if field == "workspace" else 400
    refused(host.ask("POST", "workspaces", json={"files": files}), status, field)


def test_archives_that_are_refused(host: Host, wish: Workspace, sent: bytes) -> None:
    """What is no archive of it is refused; nothing of it stays."""
    refused(put(host, wish.id, b""), 400, "archive")
    refused(put(host, wish.id, b"<html>" * 500), 400, "archive")
    refused(put(host, wish.id, sent.replace(b"print", b"Print")), 400, "archive")
    refused(host.ask("PUT", f"workspaces/{wish.id}/blobs", content=sent), 400)
    refused(put(host, "0" * 64, sent), 404)
    until(lambda: not left_behind(host))


@pytest.mark.parametrize("id", ["x", "..%2Flists", "0" * 63, "A" * 64, "%00"])
def test_nothing_is_kept_under_a_name_of_nothing(host: Host, id: str) -> None:
    """What is refused for its address is not written to the disk while it comes."""
    seen = []

    def pieces():
        for _ in range(5):
            seen.extend(left_behind(host))
            yield bytes(2**20)

    refused(put(host, id, pieces()), 404)

    assert [] == seen


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "in pieces"])
def test_an_archive_above_the_limit(
    host: Host, wish: Workspace, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too large an archive is refused before it comes or as soon as it is."""
    monkeypatch.setattr(workspaces_module, "_BESIDE", (5 - 512) << 20)
    data = [bytes(2**20)] * 7
    answer = put(host, wish.id, iter(data) if chunked else b"".join(data))

    assert "the archive is larger than 5 MiB" in refused(answer, 413)
    until(lambda: not left_behind(host))


def test_no_room(host: Host, wish: Workspace, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk has no room that is said before the archive comes."""
    monkeypatch.setattr(upload_module, "_LEFT", 1 << 60)

    assert "no room for the archive" in refused(put(host, wish.id, sent), 507)
    until(lambda: not left_behind(host))


def test_two_people(service: Host, tmp_path: Path, data: bytes) -> None:
    """Nobody learns what others have sent, and nobody can fill what others have announced."""
    wish = workspace({"a": data})
    sent = archive(tmp_path / "sent.tar", data).read_bytes()
    service.ask("POST", "workspaces", json=wish.to_wire())
    put(service, wish.id, sent)
    refused(put(service, wish.id, sent, token="grace-token"), 404)
    theirs = service.ask("POST", "workspaces", json=wish.to_wire(), token="grace-token")

    assert [sha(data)] == theirs.json()["missing"]


def test_strangers_send_nothing(service: Host, wish_of_ada: Workspace) -> None:
    """Who may not come in is refused before the first byte is kept."""
    before = left_behind(service)
    answer = put(service, wish_of_ada.id, iter([bytes(2**20)] * 30), token="wrong")
    refused(answer, 403)
    refused(service.ask("POST", "workspaces", json=wish_of_ada.to_wire(), token="wrong"), 403)

    assert before == left_behind(service)


@pytest.fixture
def wish_of_ada(service: Host, data: bytes) -> Workspace:
    """A workspace that was announced to the lab service."""
    wish = workspace({"a": data})
    service.ask("POST", "workspaces", json=wish.to_wire())
    return wish
