"""Public keys: what is taken is what OpenSSH itself takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dllab_hub.errors import InvalidRequest
from dllab_hub.hub.sshkey import read_keys


def keygen(path: Path, *args: str) -> str:
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", path, *args], check=True)
    return path.with_suffix(".pub").read_text()


@pytest.mark.parametrize(
    "args", [("-t", "ed25519"), ("-t", "rsa", "-b", "2048"), ("-t", "ecdsa", "-b", "521")], ids=str
)
def test_keys_of_ssh_keygen(args: tuple[str, ...], tmp_path: Path) -> None:
    """Keys that ssh-keygen makes are kept as they are, comment included."""
    key = keygen(tmp_path / "key", *args)

    assert key.strip() == read_keys(f"# mine\r\n\n {key}", "ssh_key")


def test_several_keys(tmp_path: Path) -> None:
    """One key a line."""
    keys = keygen(tmp_path / "a", "-t", "ed25519") + keygen(tmp_path / "b", "-t", "ed25519")

    assert keys.strip() == read_keys(keys, "ssh_key")
    assert "" == read_keys(" \n# nothing\n", "ssh_key")


@pytest.mark.parametrize("cut", [12, 30, 60, 75])
def test_a_cut_key_is_refused_as_ssh_keygen_does(cut: int, tmp_path: Path) -> None:
    """A key of which a part is missing is damaged for us and for ssh-keygen."""
    file = tmp_path / "key.pub"
    file.write_text(keygen(tmp_path / "whole", "-t", "ed25519")[:cut] + "\n")

    assert subprocess.run(["ssh-keygen", "-l", "-f", file], capture_output=True).returncode
    with pytest.raises(InvalidRequest, match=r"^ssh_key: "):
        read_keys(file.read_text(), "ssh_key")


def test_a_private_key_is_sent_back(tmp_path: Path) -> None:
    """Who pastes the wrong file is told so."""
    keygen(tmp_path / "key", "-t", "ed25519")

    with pytest.raises(InvalidRequest, match="private key: never give it to anybody"):
        read_keys((tmp_path / "key").read_text(), "ssh_key")


@pytest.mark.parametrize("front", ['command="sh" ', 'environment="A=b" ', "no-pty "])
def test_options_are_refused(front: str, tmp_path: Path) -> None:
    """Options of authorized_keys are no part of a public key."""
    with pytest.raises(InvalidRequest, match="no OpenSSH public key"):
        read_keys(front + keygen(tmp_path / "key", "-t", "ed25519"), "ssh_key")
