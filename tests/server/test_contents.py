"""Data volumes behind a URL in JupyterLab's file browser: a real bucket, of moto's server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from buckets import Buckets, s3_server, variable
from jupyter_server.services.contents.largefilemanager import (
    AsyncLargeFileManager,
    LargeFileManager,
)
from tornado.web import HTTPError

from dllab_hub.server import storage as storage_module
from dllab_hub.server import volumetree
from dllab_hub.server.contents import VolumeContents, configured, with_volumes


@pytest.fixture(scope="module")
def s3() -> Iterator[Buckets]:
    """An S3 server."""
    with s3_server() as buckets:
        yield buckets


@pytest.fixture
async def contents(s3: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The contents manager of a lab with a bucket, the same one read-only, and one that is away."""
    files = s3.files()
    if files.exists("team/data"):
        files.rm("team/data", recursive=True)
    files.pipe({"team/data/a.csv": b"x,y\n1,2\n", "team/data/sub/b.txt": b"hello"})
    monkeypatch.setenv(
        "DLLAB_VOLUMES",
        variable(
            bucket=s3.about("s3://team/data"),
            shelf=s3.about("s3://team/data", read_only=True),
            empty=s3.about("s3://team/nothing-yet"),
            gone=s3.about("s3://no-such-bucket/x"),
            away={"url": "s3://team/data", "options": {"endpoint_url": "http://127.0.0.1:9"}},
            strange={"url": "nosuchthing://x"},
            disk={"path": str(tmp_path)},
        ),
    )
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    home = tmp_path / "home"
    home.mkdir()
    return with_volumes(AsyncLargeFileManager)(root_dir=str(home))


def names(model: dict[str, Any]) -> list[str]:
    return [item["name"] for item in model["content"]]


async def refused(what: Any, code: int) -> str:
    """The sentence with which it is refused."""
    with pytest.raises(HTTPError) as caught:
        await what
    assert caught.value.status_code == code, caught.value
    return str(caught.value.log_message)


def text(content: str) -> dict[str, Any]:
    return {"type": "file", "format": "text", "content": content}


async def test_a_bucket_is_a_folder(contents: Any) -> None:
    """It is listed beside everything else under data/, with sizes, times and rights."""
    assert ["data"] == names(await contents.get(""))
    data = await contents.get("data")
    assert ["bucket", "shelf", "empty", "gone", "away", "strange"] == names(data)
    top = await contents.get("data/bucket")
    assert [("a.csv", "file", 8), ("sub", "directory", None)] == [
        (item["name"], item["type"], item["size"]) for item in top["content"]
    ]
    assert (top["content"][0]["path"], top["writable"]) == ("data/bucket/a.csv", True)
    assert top["content"][0]["last_modified"].year > 2000
    assert ["b.txt"] == names(await contents.get("data/bucket/sub", type="directory"))
    assert [] == names(await contents.get("data/empty"))
    read = await contents.get("data/bucket/a.csv", require_hash=True)
    assert ("x,y\n1,2\n", "text", "text/csv") == (
        read["content"],
        read["format"],
        read["mimetype"],
    )
    assert (
        read["hash"] == (await contents.get(read["path"], content=False, require_hash=True))["hash"]
    )
    assert await contents.dir_exists("data/bucket/sub")
    assert not await contents.file_exists("data/bucket/sub")
    assert await contents.is_hidden("data/bucket/.keep")
    assert not await contents.is_hidden("data/bucket")


async def test_what_others_write_is_seen(contents: Any, s3: Buckets) -> None:
    """A job's new file is there at the next look, and a changed one has another version."""
    await contents.get("data/bucket")
    before = await contents.get("data/bucket/a.csv", content=False, require_hash=True)
    s3.files().pipe({"team/data/new.csv": b"1", "team/data/a.csv": b"other"})

    assert "new.csv" in names(await contents.get("data/bucket"))
    after = await contents.get("data/bucket/a.csv", content=False, require_hash=True)
    assert (before["hash"], 8) != (after["hash"], after["size"])


async def test_files_are_made_changed_moved_and_deleted(contents: Any, s3: Buckets) -> None:
    """What a person does in the file browser happens in the bucket."""
    bucket = s3.files()
    saved = await contents.save(text("hi"), "data/bucket/hi.txt")
    assert (2, None) == (saved["size"], saved["content"])
    assert bucket.cat("team/data/hi.txt") == b"hi"
    raw = base64.b64encode(b"\xff\x00").decode()
    await contents.save({"type": "file", "format": "base64", "content": raw}, "data/bucket/raw")
    assert raw == (await contents.get("data/bucket/raw"))["content"]

    moved = await contents.update({"path": "data/bucket/sub/hi.txt"}, "data/bucket/hi.txt")
    assert moved["path"] == "data/bucket/sub/hi.txt"
    assert not bucket.exists("team/data/hi.txt")
    await contents.update({"path": "data/bucket/renamed"}, "data/bucket/sub")
    assert ["team/data/renamed/b.txt", "team/data/renamed/hi.txt"] == bucket.ls("team/data/renamed")
    copied = await contents.copy("data/bucket/renamed/hi.txt", "data/bucket/renamed")
    assert copied["name"] == "hi-Copy1.txt"

    made = await contents.new_untitled("data/bucket", type="directory")
    assert made["name"] == "Untitled Folder"
    assert made["name"] in names(await contents.get("data/bucket"))
    again = await contents.new_untitled("data/bucket", type="directory")
    assert again["name"] == "Untitled Folder 1"
    assert [] == names(await contents.get(made["path"]))
    for path in (made["path"], again["path"], "data/bucket/renamed/hi.txt"):
        await contents.delete(path)
    assert not bucket.exists("team/data/renamed/hi.txt")
    assert "Untitled Folder" not in names(await contents.get("data/bucket"))
    assert "not empty" in await refused(contents.delete("data/bucket/renamed"), 400)


async def test_a_name_is_no_pattern(contents: Any, s3: Buckets) -> None:
    """Renaming and deleting touch what has this name, not what fsspec finds that looks like it."""
    bucket = s3.files()
    names = {"p1": b"one", "p[1]": b"brackets", "x1/f": b"x1", "x*/.keep": b"", "y[1]/p?": b"y"}
    bucket.pipe({f"team/data/odd/{name}": data for name, data in names.items()})
    await contents.delete("data/bucket/odd/x*")
    await contents.update({"path": "data/bucket/odd/new"}, "data/bucket/odd/p[1]")
    await contents.update({"path": "data/bucket/odd/z[2]"}, "data/bucket/odd/y[1]")
    await contents.update({"path": "data/bucket/odd/x?"}, "data/bucket/odd/x1")

    found = bucket.find("team/data/odd")
    expected = {"p1": b"one", "new": b"brackets", "x?/f": b"x1", "z[2]/p?": b"y"}
    there = {path.removeprefix("team/data/odd/"): bucket.cat_file(path) for path in found}
    assert expected == there


async def test_files_go_between_home_and_bucket(contents: Any, s3: Buckets) -> None:
    """Drag and drop moves a file either way; nothing is lost when the target refuses."""
    home = Path(contents.root_dir)
    (home / "mine.txt").write_text("mine")
    await contents.update({"path": "data/bucket/mine.txt"}, "mine.txt")
    assert (s3.files().cat("team/data/mine.txt"), (home / "mine.txt").exists()) == (b"mine", False)
    await contents.update({"path": "back.txt"}, "data/bucket/mine.txt")
    assert (home / "back.txt").read_text() == "mine"
    assert not s3.files().exists("team/data/mine.txt")

    await refused(contents.update({"path": "data/shelf/x.txt"}, "back.txt"), 403)
    await refused(contents.update({"path": "x.csv"}, "data/shelf/a.csv"), 403)
    assert (home / "back.txt").exists()
    assert not (home / "x.csv").exists()
    await refused(contents.update({"path": "data/bucket/a.csv"}, "back.txt"), 409)
    (home / "folder").mkdir()
    await refused(contents.update({"path": "data/bucket/folder"}, "folder"), 400)
    await refused(contents.copy("folder", "data/bucket"), 400)
    assert not (home / "data" / "bucket").exists()


async def test_a_notebook_in_a_bucket(contents: Any, s3: Buckets) -> None:
    """It is saved, opened, trusted by whoever ran it, and goes back to its checkpoint."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    path = "data/bucket/n.ipynb"
    await contents.save({"type": "notebook", "format": "json", "content": notebook}, path)
    assert "1 + 1" in s3.files().cat("team/data/n.ipynb").decode()
    opened = await contents.get(path)
    assert ("notebook", "json") == (opened["type"], opened["format"])
    assert opened["content"].cells[0].metadata["trusted"]

    checkpoint = await contents.create_checkpoint(path)
    notebook.cells[0].source = "2 + 2"
    await contents.save({"type": "notebook", "format": "json", "content": notebook}, path)
    assert [checkpoint["id"]] == [c["id"] for c in await contents.list_checkpoints(path)]
    await contents.restore_checkpoint(checkpoint["id"], path)
    assert (await contents.get(path))["content"].cells[0].source == "1 + 1"
    await contents.delete(path)
    assert [] == await contents.list_checkpoints(path)
    await contents.save(text("no notebook"), "data/bucket/bad.ipynb")
    assert "is no notebook" in await refused(contents.get("data/bucket/bad.ipynb"), 400)


async def test_an_upload_in_pieces(contents: Any, s3: Buckets) -> None:
    """A large file comes in pieces and appears when it is whole; half of one never does."""
    piece = b"0123456789abcdef" * 65536

    def part(number: int) -> dict[str, Any]:
        content = base64.b64encode(piece).decode()
        return {"type": "file", "format": "base64", "content": content, "chunk": number}

    for number in (1, 2, 3, 4, 5, 6):
        await contents.save(part(number), "data/bucket/large.bin")
    assert not s3.files().exists("team/data/large.bin")
    saved = await contents.save(part(-1), "data/bucket/large.bin")
    assert saved["size"] == 7 * len(piece)
    assert s3.files().cat("team/data/large.bin") == piece * 7

    await contents.save(part(1), "data/bucket/half.bin")
    await contents.save(part(1), "data/bucket/half.bin")
    assert "Upload it again" in await refused(contents.save(part(2), "data/bucket/other"), 409)
    assert not s3.files().exists("team/data/half.bin")


async def test_a_read_only_volume(contents: Any, s3: Buckets) -> None:
    """It can be read; everything that would change it is refused with one sentence."""
    model = await contents.get("data/shelf/a.csv")
    assert (model["writable"], model["content"]) == (False, "x,y\n1,2\n")
    for change in (
        contents.save(text("x"), "data/shelf/a.csv"),
        contents.save({"type": "directory"}, "data/shelf/new"),
        contents.save({**text("x"), "chunk": 1}, "data/shelf/up"),
        contents.delete("data/shelf/a.csv"),
        contents.update({"path": "data/shelf/b.csv"}, "data/shelf/a.csv"),
    ):
        assert await refused(change, 403) == "The volume shelf is read-only."
    assert s3.files().cat("team/data/a.csv") == b"x,y\n1,2\n"


async def test_volumes_stay_where_they_are(contents: Any) -> None:
    """A volume, and the folder that volumes lie in, cannot be deleted, renamed or moved."""
    for path in ("data/bucket", "data"):
        assert "data volume" in await refused(contents.delete(path), 403)
        assert "data volume" in await refused(contents.update({"path": "x"}, path), 403)


@pytest.mark.parametrize("path", ["../a.csv", "sub/../../../x", "sub//b.txt", "./a.csv", "a\0b"])
async def test_no_path_leaves_a_volume(contents: Any, path: str) -> None:
    """A path that is not plain names nothing, whatever is asked."""
    for what in (
        contents.get(f"data/bucket/{path}"),
        contents.save(text("x"), f"data/bucket/{path}"),
        contents.delete(f"data/bucket/{path}"),
    ):
        await refused(what, 404)


async def test_what_is_wrong_is_said(contents: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that is gone, a server that is away, a missing package, a file that is too large."""
    assert "not there now" in await refused(contents.get("data/gone"), 503)
    said = await refused(contents.get("data/away"), 503)
    assert "cannot be reached" in said
    assert "127.0.0.1" not in said
    assert "wrong" in await refused(contents.get("data/strange"), 503)
    await refused(contents.get("data/bucket/nothing"), 404)
    await refused(contents.get("data/bucket/a.csv", type="directory"), 400)
    await refused(contents.get("data/bucket/sub", type="file"), 400)
    await contents.save({"type": "file", "format": "base64", "content": "/w=="}, "data/bucket/raw")
    await refused(contents.get("data/bucket/raw", format="text"), 400)
    monkeypatch.setattr(storage_module, "MAX_OPENED", 4)
    assert 'open_volume("bucket")' in await refused(contents.get("data/bucket/a.csv"), 413)


async def test_a_package_that_is_missing(contents: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what the administrator can install."""
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    from fsspec.registry import _registry

    monkeypatch.delitem(_registry, "s3", raising=False)
    assert "pip install s3fs" in await refused(contents.get("data/bucket"), 503)


async def test_a_large_folder(contents: Any, s3: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files are listed; beyond a limit it is said how many are not shown."""
    s3.fill(f"data/many/{n:05}.txt" for n in range(2500))
    assert 2500 == len((await contents.get("data/bucket/many"))["content"])
    monkeypatch.setattr(volumetree, "MAX_LISTED", 1000)
    listed = names(await contents.get("data/bucket/many"))
    assert (1001, "(1500 more are not shown)") == (len(listed), listed[-1])


async def test_a_server_without_such_volumes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contents manager stays what it was; one that is not of files does, too."""
    monkeypatch.delenv("DLLAB_VOLUMES", raising=False)
    assert with_volumes(AsyncLargeFileManager) is AsyncLargeFileManager
    monkeypatch.setenv("DLLAB_VOLUMES", variable(disk={"path": "/srv"}))
    assert with_volumes(AsyncLargeFileManager) is AsyncLargeFileManager
    assert list(configured(AsyncLargeFileManager)) == ["FileContentsManager"]  # Their downloads.
    monkeypatch.setenv("DLLAB_VOLUMES", variable(b={"url": "memory://x"}))
    assert with_volumes(LargeFileManager) is LargeFileManager
    assert issubclass(with_volumes(AsyncLargeFileManager), VolumeContents)
