"""Trees that a person has made are removed, and nothing beside them."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading

import pytest

from dllab_hub.backends.local.removal import remove, size_of


@pytest.fixture
def outside(tmp_path):
    """A directory that must stay as it is."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_text("mine")
    return folder


@pytest.fixture
def root(tmp_path):
    """Where trees are removed."""
    root = tmp_path / "root"
    root.mkdir()
    return root


def test_all_kinds_of_names(root, outside):
    """Files, links, FIFOs and closed directories go; what links point to stays."""
    tree = root / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "file").write_text("x")
    (tree / "link").symlink_to(outside)
    (tree / "a" / "b" / "up").symlink_to("../../../../outside/precious")
    os.link(outside / "precious", tree / "hard")
    os.mkfifo(tree / "fifo")
    (tree / os.fsdecode(b"\xff\n")).mkdir()
    (tree / "a" / "b").chmod(0)
    (tree / "a").chmod(0o500)
    remove(root, "tree")

    assert [] == os.listdir(root)
    assert "mine" == (outside / "precious").read_text()
    assert 0o755 == outside.stat().st_mode & 0o777


def test_the_tree_itself_is_a_link(root, outside):
    """A link in place of the tree is removed, and not what it points to."""
    (root / "tree").symlink_to(outside)
    remove(root, "tree")

    assert [] == os.listdir(root)
    assert "mine" == (outside / "precious").read_text()


def test_a_folder_above_it_is_a_link(root, outside):
    """Nothing is removed through a link."""
    (root / "ada").symlink_to(outside.parent)
    with pytest.raises(OSError, match="directory"):
        remove(root, "ada", "outside")

    assert "mine" == (outside / "precious").read_text()


def test_what_is_not_there(root):
    """Nothing is nothing to remove."""
    remove(root, "no", "such")

    assert [] == os.listdir(root)


def test_a_deep_tree(root):
    """A tree of 3000 levels goes, though no path reaches its end and no stack holds it."""
    (root / "tree").mkdir()
    folder = os.open(root / "tree", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("x" * 100, dir_fd=folder)
        inner = os.open("x" * 100, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    before = len(os.listdir("/proc/self/fd"))
    remove(root, "tree")

    assert [] == os.listdir(root)
    assert before == len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_names_that_are_used_for_moving(root, outside, kind):
    """A tree goes whose names are those that a removal itself would give, whatever they are of."""
    tree = root / "tree"
    for number in range(40):  # Many, for no order of names is promised.
        (tree / f"a{number}" / "b" / "c").mkdir(parents=True)
        name = tree / f".lifted-{number}"
        if kind == "file":
            name.touch()
        elif kind == "link":
            name.symlink_to(outside)
        else:
            (name / "d" / "e").mkdir(parents=True)
    remove(root, "tree")

    assert [] == os.listdir(root)
    assert "mine" == (outside / "precious").read_text()


def test_somebody_writes_meanwhile(root, outside):
    """A process that goes on putting files and links there for a while does not save the tree."""
    tree = root / "tree"
    (tree / "busy").mkdir(parents=True)
    folder = os.open(tree / "busy", os.O_RDONLY)
    enough = threading.Event()

    def write() -> None:
        number = 0
        while not enough.is_set():
            try:
                os.symlink(outside, f"link-{number}", dir_fd=folder)
                os.mkdir(f"folder-{number}", dir_fd=folder)
            except OSError:
                return  # The folder is gone.
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    timer = threading.Timer(0.5, enough.set)
    timer.start()
    try:
        remove(root, "tree")
    finally:
        enough.set()
        thread.join()
        timer.cancel()
        os.close(folder)

    assert [] == os.listdir(root)
    assert "mine" == (outside / "precious").read_text()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("chattr"), reason="needs root, chattr")
def test_what_cannot_be_removed(root):
    """A file that the system keeps is an error, and can be tried again."""
    (root / "tree").mkdir()
    file = root / "tree" / "kept"
    file.write_text("x")
    if subprocess.run(["chattr", "+i", file], capture_output=True, check=False).returncode:
        pytest.skip("this file system keeps no file")
    try:
        with pytest.raises(OSError, match="not permitted"):
            remove(root, "tree")
    finally:
        subprocess.run(["chattr", "-i", file], check=True)
    remove(root, "tree")

    assert [] == os.listdir(root)


def test_a_size(root, outside):
    """The size of a tree is what it takes on the disk, without what links point to."""
    (root / "tree" / "a").mkdir(parents=True)
    (root / "tree" / "a" / "file").write_bytes(b"x" * 1_000_000)
    (outside / "large").write_bytes(b"x" * 5_000_000)
    (root / "tree" / "link").symlink_to(outside)
    with (root / "tree" / "holes").open("wb") as file:
        file.truncate(10**12)

    assert 1_000_000 <= size_of(root, "tree") < 1_500_000
    assert 0 == size_of(root, "no", "such")
