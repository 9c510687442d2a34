"""A directory that travels: what of it does, and how it gets there."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest
from served import Host, lab_host

from dllab_hub.errors import Conflict, InvalidRequest, StorageFull, TooLarge, Unavailable
from dllab_hub.specs import MAX_WORKSPACE_FILES, Upload
from dllab_hub.transport import Transport
from dllab_hub.workspace import Skipped, is_project, scan, send, upload

scan_module = importlib.import_module("dllab_hub.workspace.scan")
upload_module = importlib.import_module("dllab_hub.workspace.upload")
_NUMBERS = count(1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty directory."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def paths(root: Path, **options) -> list[str]:
    return [file.path for file in scan(root, **options).workspace.files]


class TestProject:
    """What is meant to travel."""

    def test_signs_of_one(self, root: Path) -> None:
        """A repository, a worktree of one, and a directory with a .dllabignore are projects."""
        found = [is_project(root)]
        for sign in (".git/HEAD", ".git", ".dllabignore"):
            write(root, {sign: "x"})
            found.append(is_project(root))
            shutil.rmtree(root)
            root.mkdir()

        assert [False, True, True, True] == found

    def test_a_home_is_none(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody's whole home travels by itself, nor what is above it, also by another name."""
        home = root / "ada"
        write(root, {".dllabignore": "", "ada/.git/HEAD": "", "ada/work/.git/HEAD": ""})
        monkeypatch.setenv("HOME", str(home))
        (root / "link").symlink_to(home)

        assert [False, False, False, True] == [
            is_project(path) for path in (home, root, root / "link", home / "work")
        ]


class TestRules:
    """What is left out."""

    def test_as_git_does_it(self, root: Path) -> None:
        """The same files travel that git would take, with nested files of rules."""
        write(
            root,
            {
                ".gitignore": "*.log\n/build\ndata/\n!keep.log\n# a comment\n\\#odd\n"
                "**/deep/*.x\r\n[z-a]\n",
                "a.log": "", "keep.log": "", "build/x": "", "sub/build/x": "", "data/x": "",
                "sub/data/y": "", "#odd": "", "q/deep/a.x": "", "q/deep/a.y": "",
                "sub/.gitignore": "*.txt\n!special.log\n", "sub/a.txt": "", "b.txt": "",
                "sub/special.log": "", "sub/other.log": "", "sub/in/c.txt": "",
                "data/.gitignore": "!x\n",
            },
        )  # fmt: skip
        git = ["git", "-c", "core.excludesFile=/dev/null", "-C", str(root)]
        subprocess.run([*git, "init", "-q"], check=True)
        listed = subprocess.run(
            [*git, "ls-files", "--others", "--exclude-standard", "-z"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        expected = sorted(filter(None, listed.stdout.split("\0")))

        assert "sub/special.log" in expected
        assert "data/x" not in expected
        assert expected == paths(root)

    def test_ours_come_first(self, root: Path) -> None:
        """What .dllabignore says holds, also against a .gitignore further down."""
        write(
            root,
            {
                ".gitignore": "out/\n*.bin\n",
                ".dllabignore": "notes/\n!model.bin\n!out/\nout/tmp\n",
                "model.bin": "", "other.bin": "", "notes/a": "", "out/a": "", "out/tmp/b": "",
                "sub/.gitignore": "model.bin\n", "sub/model.bin": "",
                "sub/.dllabignore": "*.md\n", "sub/a.md": "", "a.md": "",
            },
        )  # fmt: skip
        found = paths(root)

        assert ["a.md", "model.bin", "out/a", "sub/model.bin"] == [
            path for path in found if "ignore" not in path
        ]

    def test_a_part_of_a_repository(self, root: Path) -> None:
        """Rules above the directory count as far as its repository goes."""
        write(
            root,
            {
                ".gitignore": "*.py\n", "repo/.git/HEAD": "",
                "repo/.gitignore": "*.log\n/a/b/top\n",
                "repo/a/.gitignore": "!important.log\nb/own\n", "repo/a/b/x.log": "",
                "repo/a/b/important.log": "", "repo/a/b/top": "", "repo/a/b/own": "",
                "repo/a/b/train.py": "",
            },
        )  # fmt: skip

        assert ["important.log", "train.py"] == paths(root / "repo" / "a" / "b")

    def test_a_line_that_is_no_pattern(self, root: Path) -> None:
        """In our own file it is said where it is."""
        write(root, {".dllabignore": "data\n!\n", "a": ""})
        with pytest.raises(InvalidRequest) as caught:
            scan(root)

        assert (2, "workspace") == (caught.value.line, caught.value.field)

    def test_never_of_use(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Repositories, caches, environments and the lab's own state stay, whatever is said."""
        monkeypatch.setenv("DLLAB_HOME", str(root / "state"))
        monkeypatch.delenv("DLLAB_ENVS", raising=False)
        write(
            root,
            {
                ".dllabignore": "!*\n!.git\n", "a.py": "", ".git/HEAD": "", "m/.git": "gitdir: x",
                "m/__pycache__/a.pyc": "", "m/.ipynb_checkpoints/a": "", "env/pyvenv.cfg": "",
                "env/lib/x.py": "", "state/jobs/x": "",
            },
        )  # fmt: skip

        assert [".dllabignore", "a.py"] == paths(root)


class TestScan:
    """What is there, and what is in it."""

    def test_contents(self, root: Path) -> None:
        """Every file has its sum, its size and whether it may be executed; the place is no part."""
        write(root, {"b/run.sh": "#!/bin/sh\n", "a": "", "\u5b57 x": "y"})
        (root / "b/run.sh").chmod(0o755)
        first = scan(root)
        files = {file.path: file for file in first.workspace.files}
        moved = root.rename(root.with_name("moved"))

        assert ["a", "b/run.sh", "\u5b57 x"] == sorted(files)
        assert (10, True) == (files["b/run.sh"].size, files["b/run.sh"].executable)
        assert not files["a"].executable
        assert "e3b0c44298fc1c14" == files["a"].sha256[:16]
        assert first.workspace.id == scan(moved).workspace.id
        (moved / "a").write_text("!")
        assert first.workspace.id != scan(moved).workspace.id

    def test_links(self, root: Path, tmp_path: Path) -> None:
        """Links inside are followed; those that leave, lead nowhere or in circles are listed."""
        write(root, {"data/a": "1", "x/y/z": "2"})
        write(tmp_path, {"secret": "s", "volume/big": "b"})
        for link, target in {
            "file": "data/a", "folder": "data", "out": "../secret", "data/volume": "../../volume",
            "absolute": str(tmp_path / "secret"), "gone": "nosuch", "self": "self",
            "x/up": "..", "x/y/top": "../..",
        }.items():  # fmt: skip
            (root / link).symlink_to(target)
        found = scan(root)
        files = {file.path: file.sha256 for file in found.workspace.files}

        assert {"data/a", "file", "folder/a", "x/y/z"} == set(files)
        assert files["data/a"] == files["file"] == files["folder/a"]
        assert {
            "out": "a link that leaves the directory",
            "absolute": "a link that leaves the directory",
            "data/volume": "a link that leaves the directory",
            "folder/volume": "a link that leaves the directory",
            "gone": "a link that leads nowhere",
            "self": "a link that leads nowhere",
            "x/up": "a link in a circle",
            "x/y/top": "a link in a circle",
        } == {skipped.path: skipped.why for skipped in found.skipped}

    def test_what_is_no_file(self, root: Path) -> None:
        """Pipes and sockets are listed and never waited for; rules leave them out silently."""
        os.mkfifo(root / "pipe")
        os.mkfifo(root / "ignored")
        (root / "link").symlink_to("pipe")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(root / "socket"))
        write(root, {".dllabignore": "ignored\n"})
        found = scan(root)

        assert [".dllabignore"] == [file.path for file in found.workspace.files]
        why = "no regular file"
        assert (Skipped("link", why), Skipped("pipe", why), Skipped("socket", why)) == found.skipped

    def test_names_that_cannot_travel(self, root: Path) -> None:
        """They are listed, and can be shown."""
        for name in (b"new\nline", b"no-utf8-\xff", b"d" * 200 + b"/" + b"f" * 100):
            path = os.path.join(os.fsencode(root), name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb"):
                pass
        found = scan(root)

        assert ((), 3) == (found.workspace.files, len(found.skipped))
        for skipped in found.skipped:
            assert "its name cannot travel" == skipped.why
            skipped.path.encode()

    def test_the_deepest_directory(self, root: Path) -> None:
        """Directories within directories without end are no trouble."""
        at = os.open(root, os.O_RDONLY)
        try:
            for _ in range(1500):
                os.mkdir("d", dir_fd=at)
                inner = os.open("d", os.O_RDONLY, dir_fd=at)
                os.close(at)
                at = inner
            found = scan(root)
        finally:  # Python's own way to remove it is not deep enough.
            os.close(at)
            subprocess.run(["rm", "-rf", str(root)], check=True)

        assert ["its name cannot travel"] == [skipped.why for skipped in found.skipped]

    def test_more_than_may_travel(self, root: Path) -> None:
        """The largest files are named, and nothing was read."""
        for n in range(7):
            with (root / f"{n}.bin").open("wb") as file:
                file.truncate((n + 1) << 28)
        start = time.monotonic()
        with pytest.raises(TooLarge) as caught:
            scan(root)

        assert time.monotonic() - start < 5
        assert "7168 MB and 512 MB may travel" in caught.value.message
        assert "6.bin (1792 MB), 5.bin (1536 MB), 4.bin (1280 MB)" in caught.value.message
        assert "1.bin" not in caught.value.message
        assert ".dllabignore" in caught.value.hint
        write(root, {".dllabignore": "*.bin\n"})
        assert [".dllabignore"] == paths(root)

    def test_the_limit_is_exact(self, root: Path) -> None:
        """So many bytes may travel and not one more."""
        write(root, {"a": "12345", "b": "67890"})

        assert ["a", "b"] == paths(root, limit=10)
        with pytest.raises(TooLarge):
            scan(root, limit=9)

    def test_too_many_files(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where most of them are is said."""
        assert 50_000 == MAX_WORKSPACE_FILES
        monkeypatch.setattr(scan_module, "MAX_WORKSPACE_FILES", 20)
        write(root, {f"images/{n}": "" for n in range(30)})
        with pytest.raises(TooLarge, match=r"more than 20 files.* images/ \(\d+\)"):
            scan(root)

    @pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
    def test_closed_to_the_person(self, root: Path) -> None:
        """What cannot be read is named instead of left out in silence."""
        write(root, {"closed/a": "", "secret": "", "a": ""})
        (root / "closed").chmod(0)
        (root / "secret").chmod(0)
        try:
            with pytest.raises(InvalidRequest) as caught:
                scan(root)
        finally:
            (root / "closed").chmod(0o700)

        assert "closed/, secret cannot be read." == caught.value.message

    def test_what_cannot_be_read(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Files and directories that the system refuses are named, not left out in silence."""
        write(root, {"closed/a": "", "secret": "", "a": ""})
        is_open, scandir = os.open, os.scandir

        def refuse(path, *more, **options):
            if os.fspath(path).endswith("secret"):
                raise PermissionError(13, "Permission denied")
            return is_open(path, *more, **options)

        def refuse_folder(path):
            if os.fspath(path).endswith("closed"):
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(scan_module.os, "open", refuse)
        monkeypatch.setattr(scan_module.os, "scandir", refuse_folder)
        with pytest.raises(InvalidRequest) as caught:
            scan(root)

        assert "closed/, secret cannot be read." == caught.value.message
        assert "workspace" == caught.value.field

    def test_a_file_that_grows(self, root: Path) -> None:
        """A file that is written all the time is named: half of it is of no use."""
        log = root / "growing.log"
        log.write_bytes(bytes(8 << 20))
        stop = threading.Event()

        def grow() -> None:
            with log.open("ab", buffering=0) as file:
                while not stop.is_set():
                    file.write(b"x")

        writer = threading.Thread(target=grow)
        writer.start()
        try:
            with pytest.raises(InvalidRequest, match=r"growing.log changes while it is read"):
                scan(root)
        finally:
            stop.set()
            writer.join()

        assert ["growing.log"] == paths(root)

    @pytest.mark.parametrize("name", ["nosuch", "file", "a\0b"])
    def test_no_directory(self, root: Path, name: str) -> None:
        """What is none is said."""
        write(root, {"file": ""})
        with pytest.raises(InvalidRequest, match="is no directory"):
            scan(root / name)

    def test_many_files(self, root: Path) -> None:
        """Thousands of files are a matter of seconds."""
        for n in range(50):
            (root / f"d{n}").mkdir()
            for m in range(100):
                (root / f"d{n}" / f"{m}.txt").write_bytes(b"%d %d" % (n, m))
        write(root, {".gitignore": "".join(f"*.x{n}\n" for n in range(50))})
        start = time.monotonic()

        assert 5001 == len(paths(root))
        assert time.monotonic() - start < 20  # Less than one on a machine with nothing else to do.


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A lab service."""
    with lab_host() as host:
        yield host


@pytest.fixture
def transport(host: Host) -> Iterator[Transport]:
    """Ada's."""
    with Transport(host.url, "ada-token") as transport:
        yield transport


class TestUpload:
    """How it gets there."""

    @pytest.fixture
    def project(self, root: Path) -> Path:
        """A few files, which no other test has."""
        write(root, {f"{name}.py": f"print({next(_NUMBERS)})\n" for name in "abc"})
        (root / "same.py").write_bytes((root / "a.py").read_bytes())
        return root

    def test_it_is_there(self, project: Path, transport: Transport, host: Host) -> None:
        """A job finds what the directory has; what was sent before is not sent again."""
        told: list[tuple[int, int]] = []
        sent = send(transport, project, progress=lambda *each: told.append(each))
        size = sum((project / f"{name}.py").stat().st_size for name in "abc")
        files = host.backend.workspaces.files("ada", sent.workspace.id)

        assert {path.name: path.read_bytes() for path in project.iterdir()} == files
        assert [(size, size)] == told
        assert Upload(id=sent.workspace.id) == upload(
            transport, sent.workspace, project, progress=lambda *_: pytest.fail("sent again")
        )

    def test_in_pieces(
        self, project: Path, transport: Transport, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Archives are small, unless a file is larger; progress is told after each."""
        monkeypatch.setattr(upload_module, "_ARCHIVE", 25)
        (project / "large").write_bytes(os.urandom(100))
        told: list[tuple[int, int]] = []
        sent = send(transport, project, progress=lambda *each: told.append(each))

        assert 3 == len(told)
        assert told == sorted(told)
        assert told[-1][0] == told[-1][1] == told[0][1]
        found = host.backend.workspaces.files("ada", sent.workspace.id)
        assert (project / "large").read_bytes() == found["large"]

    def test_an_upload_that_breaks_off(
        self, project: Path, transport: Transport, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The next one sends only the rest."""
        monkeypatch.setattr(upload_module, "_ARCHIVE", 1)
        snapshot = scan(project)

        class Broken(Exception):
            pass

        def break_off(*_: int) -> None:
            raise Broken

        with pytest.raises(Broken):
            upload(transport, snapshot.workspace, project, progress=break_off)
        told: list[tuple[int, int]] = []
        upload(transport, snapshot.workspace, project, progress=lambda *each: told.append(each))

        assert 2 == len(told)
        assert 4 == len(host.backend.workspaces.files("ada", snapshot.workspace.id))

    @pytest.mark.parametrize("change", ["other", "longer", "shorter", "gone", "pipe"])
    def test_a_file_that_changed(self, project: Path, transport: Transport, change: str) -> None:
        """What is not as it was looked at is not sent; the file is named."""
        snapshot = scan(project)
        path = project / "b.py"
        text = path.read_text()
        path.unlink()
        if change == "pipe":
            os.mkfifo(path)
        elif change != "gone":
            path.write_text({"other": text[::-1], "longer": text * 2, "shorter": text[:-1]}[change])
        with pytest.raises(Conflict, match=r"b.py has changed") as caught:
            upload(transport, snapshot.workspace, project)

        assert "workspace" == caught.value.field

    def test_a_file_that_changes_once(
        self, project: Path, transport: Transport, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file that is saved meanwhile is looked at again, and the new text travels."""
        pack, saved = upload_module._pack, []

        def save(*more: object) -> None:
            if not saved:
                saved.append((project / "c.py").write_text("saved meanwhile"))
            pack(*more)

        monkeypatch.setattr(upload_module, "_pack", save)
        sent = send(transport, project)

        assert [15] == saved
        found = host.backend.workspaces.files("ada", sent.workspace.id)
        assert b"saved meanwhile" == found["c.py"]

    def test_more_than_the_lab_takes(
        self, project: Path, transport: Transport, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The lab's own limit is said as the lab says it."""
        monkeypatch.setattr(host.backend.workspaces, "_limit", 10)
        with pytest.raises(TooLarge, match=r"may travel; the largest files are a.py"):
            send(transport, project)

    def test_no_room_for_archives(
        self, project: Path, transport: Transport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A full directory of temporary files is named."""

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(upload_module, "_pack", full)
        with pytest.raises(StorageFull, match="No space left on device") as caught:
            send(transport, project)

        assert "TMPDIR" in caught.value.hint

    def test_a_lab_that_forgets(
        self, project: Path, transport: Transport, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When contents are missing again and again, that is said at last."""
        snapshot = scan(project)
        always = Upload(id=snapshot.workspace.id, missing=(snapshot.workspace.files[0].sha256,))

        async def announce(*_: object) -> Upload:
            return always

        async def fill(*_: object) -> Upload:
            return always

        monkeypatch.setattr(host.backend.workspaces, "announce", announce)
        monkeypatch.setattr(host.backend.workspaces, "fill", fill)
        with pytest.raises(Unavailable, match="still lacks 1"):
            upload(transport, snapshot.workspace, project)
