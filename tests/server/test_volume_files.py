"""A real JupyterLab with a bucket: its contents interface, downloads, uploads, and a job's view."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator

import pytest
from buckets import Buckets, s3_server, variable
from running_lab import RunningLab, running_lab

from dllab_hub.server.storage import MAX_OPENED


@pytest.fixture(scope="module")
def s3() -> Iterator[Buckets]:
    """An S3 server."""
    with s3_server() as buckets:
        yield buckets


@pytest.fixture(scope="module")
def lab(s3: Buckets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """A JupyterLab with the bucket, which has one file in it."""
    s3.files().pipe_file("team/data/a.csv", b"x,y\n1,2\n")
    disk = tmp_path_factory.mktemp("disk")
    for name in ("d.txt", ".hidden"):
        (disk / name).write_text("on a disk")
    told = variable(bucket=s3.about("s3://team/data"), disk={"path": str(disk)})
    with running_lab(tmp_path_factory.mktemp("lab"), more={"DLLAB_VOLUMES": told}) as running:
        (running.work / "data/disk").symlink_to(disk)  # As the hub does before it starts the lab.
        yield running


def test_the_file_browser(lab: RunningLab, s3: Buckets) -> None:
    """Opening, saving, renaming and deleting go over the interface that JupyterLab uses."""
    listed = lab.http.get("api/contents/data").json()["content"]
    assert {"data/bucket", "data/disk"} == {item["path"] for item in listed}
    top = lab.http.get("api/contents/data/bucket").json()
    assert ["a.csv"] == [item["name"] for item in top["content"]]
    opened = lab.http.get("api/contents/data/bucket/a.csv", params={"hash": 1}).json()
    assert (opened["content"], bool(opened["hash"])) == ("x,y\n1,2\n", True)

    body = {"type": "file", "format": "text", "content": "new"}
    assert lab.http.put("api/contents/data/bucket/b.txt", json=body).status_code == 201
    assert lab.http.put("api/contents/data/bucket/b.txt", json=body).status_code == 200
    moved = lab.http.patch("api/contents/data/bucket/b.txt", json={"path": "data/bucket/c.txt"})
    assert moved.json()["path"] == "data/bucket/c.txt"
    made = lab.http.post("api/contents/data/bucket", json={"type": "notebook"}).json()
    assert made["path"] == "data/bucket/Untitled.ipynb"
    check = lab.http.post(f"api/contents/{made['path']}/checkpoints")
    assert check.status_code == 201
    for path in (made["path"], "data/bucket/c.txt"):
        assert lab.http.delete(f"api/contents/{path}").status_code == 204
    assert ["team/data/a.csv"] == s3.files().ls("team/data", detail=False)

    session = {"path": "data/bucket/n.ipynb", "type": "notebook", "name": "n", "kernel": {}}
    started = lab.http.post("api/sessions", json=session)  # Its kernel has some directory to be in.
    assert started.status_code == 201, started.text
    lab.http.delete(f"api/sessions/{started.json()['id']}")
    refused = lab.http.delete("api/contents/data/bucket")
    assert (refused.status_code, "data volume" in refused.json()["message"]) == (403, True)


def test_a_file_too_large_to_open(lab: RunningLab, s3: Buckets) -> None:
    """It comes up in pieces, is downloaded whole, and opening it says what to do instead."""
    piece = os.urandom(8 * 1024 * 1024)
    count = MAX_OPENED // len(piece) + 1
    for number in [*range(1, count), -1]:
        body = {
            "type": "file",
            "format": "base64",
            "content": base64.b64encode(piece).decode(),
            "chunk": number,
        }
        answer = lab.http.put("api/contents/data/bucket/large.bin", json=body)
        assert answer.is_success, answer.text
    assert answer.json()["size"] == count * len(piece)

    refused = lab.http.get("api/contents/data/bucket/large.bin")
    assert refused.status_code == 413
    assert 'open_volume("bucket").open("large.bin")' in refused.json()["message"]
    digest = hashlib.sha256()
    with lab.http.stream("GET", "files/data/bucket/large.bin?download=1") as download:
        assert "attachment" in download.headers["Content-Disposition"]
        assert download.headers["Content-Length"] == str(count * len(piece))
        for data in download.iter_bytes():
            digest.update(data)
    assert digest.digest() == hashlib.sha256(piece * count).digest()
    s3.files().rm("team/data/large.bin")


def test_files_of_a_directory(lab: RunningLab) -> None:
    """A volume behind a link can be downloaded from; no other link leads out of the home."""
    (lab.work / "elsewhere").symlink_to("/etc")
    found = lab.http.get("files/data/disk/d.txt?download=1")

    assert (200, "on a disk") == (found.status_code, found.text)
    assert "attachment" in found.headers["Content-Disposition"]
    for other in ("elsewhere/hostname", "data/disk/../../../etc/hostname", "data/disk/.hidden"):
        assert lab.http.get(f"files/{other}").status_code in (403, 404)


def test_files_as_they_are(lab: RunningLab) -> None:
    """Pictures and downloads of a volume have their type; all other files are what they were."""
    found = lab.http.get("files/data/bucket/a.csv")
    assert (found.text, found.headers["Content-Type"]) == ("x,y\n1,2\n", "text/csv")
    assert "sandbox" in found.headers["Content-Security-Policy"]
    head = lab.http.head("files/data/bucket/a.csv")
    assert (head.content, head.headers["Content-Length"]) == (b"", "8")
    for missing in ("nothing", "", ".hidden", "..%2f..%2fx"):
        assert lab.http.get(f"files/data/bucket/{missing}").status_code == 404
    (lab.work / "mine.txt").write_text("mine")
    assert lab.http.get("files/mine.txt").text == "mine"
    plain = lab.http.get("files/data/bucket/a.csv", headers={"Authorization": ""})
    assert plain.status_code in (302, 403)
