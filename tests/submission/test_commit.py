"""The commit that a submitted directory is at."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dllab_hub.submission import Submission
from dllab_hub.submission.commit import commit_of, without_secrets

Make = Callable[..., Submission]

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


def git(here: Path, *words: str) -> str:
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    done = subprocess.run(["git", *who, *words], cwd=here, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture
def repository(here: Path) -> Path:
    """With one commit."""
    git(here, "init", "-q", "-b", "main")
    (here / "train.py").write_text("print()\n")
    git(here, "add", "train.py")
    git(here, "commit", "-qm", "first")
    return here


def test_commit_branch_and_remote(repository: Path) -> None:
    """Hash, branch, whether files differ, and where it came from without a password."""
    git(repository, "remote", "add", "origin", "https://ada:secret@git.example.org/net.git?k=1")
    found = commit_of(repository)
    assert found is not None
    assert git(repository, "rev-parse", "HEAD") == found.commit
    assert ("main", False) == (found.branch, found.dirty)
    assert "https://git.example.org/net.git" == found.remote

    (repository / "train.py").write_text("print(2)\n")
    (repository / "below").mkdir()
    below = commit_of(repository / "below")
    assert below is not None
    assert below.dirty
    git(repository, "checkout", "-q", "--detach")
    assert "" == commit_of(repository).branch  # type: ignore[union-attr]


def test_it_goes_with_a_submit(repository: Path, made: Make) -> None:
    """A script of a repository carries its commit; a cell in it as well."""
    assert git(repository, "rev-parse", "HEAD") == made("train.py").spec.git.commit  # type: ignore[union-attr]
    assert made(cell="print()").spec.git is not None


def test_no_repository(here: Path, made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git, repository or commit the job goes without it."""
    assert made(cell="print()").spec.git is None
    (here / ".git").mkdir()
    assert commit_of(here) is None
    shutil.rmtree(here / ".git")
    git(here, "init", "-q")
    assert commit_of(here) is None
    monkeypatch.setenv("PATH", "")
    assert commit_of(here) is None


def test_a_git_that_hangs_keeps_nobody(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its seconds the job goes without it."""
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent))
    assert commit_of(repository) is None


@pytest.mark.parametrize(
    ("remote", "kept"),
    [
        ("https://ada:t@h.example/x", "https://h.example/x"),
        ("https://h.example:8443/x#frag", "https://h.example:8443/x"),
        ("https://a@b:c@h.example/x", "https://h.example/x"),
        ("ssh://git@h.example/x", "ssh://h.example/x"),
        ("git@h.example:x.git", "h.example:x.git"),
        ("/srv/git/x", "/srv/git/x"),
        ("file:///srv/git/x", ""),
        ("https://[bad/x", ""),
        ("", ""),
    ],
)
def test_no_secrets(remote: str, kept: str) -> None:
    """No user name and no password is left in an address."""
    assert kept == without_secrets(remote)
