"""A command for one's own machine: ssh-config."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from .. import ssh
from ..errors import AccessDenied, InvalidRequest
from ..names import slug

__all__ = ("ssh_config",)


def ssh_config(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab ssh-config https://hub.example/user/ada/ >> ~/.ssh/config``."""
    url = ssh.lab_url(options.url)
    parts = urlsplit(url)
    files = _directory() / slug(f"{parts.netloc}{parts.path}", limit=80)
    if parts.scheme == "http" and parts.hostname not in ssh.LOOPBACK:
        _say("this address is not encrypted: others on the way can read your token.")
    token, way = _sign_in(options, url, files)
    alias = options.host or way.alias
    lines = ssh.config(way, url, files, alias, options.identity or "", windows=os.name == "nt")
    ssh.write(files / "token", token + "\n")
    ssh.write(files / "known_hosts", ssh.known_hosts(way, alias))
    print(lines, end="")
    _say(f"done; with these lines in ~/.ssh/config it is: ssh {alias}")
    return 0


def _sign_in(options: argparse.Namespace, url: str, files: Path) -> tuple[str, ssh.Way]:
    """The token, asked for unless there is one that is good; and what the lab has said."""
    if options.token_file:
        token = ssh.read_token(Path(options.token_file))
        return token, ssh.door(url, token)
    if (files / "token").exists():
        token = ssh.read_token(files / "token")
        try:
            return token, ssh.door(url, token)
        except AccessDenied:
            _say("the token of last time is not accepted any more.")
    hub = url.partition("/user/")[0]
    prompt = f"Token, from {hub}/hub/token (it is not shown): "
    token = (getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise InvalidRequest(
            "this is no token.", hint="Copy all of it, or name a file: --token-file."
        )
    return token, ssh.door(url, token)


def _directory() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "dllab-hub" / "ssh"


def _say(text: str) -> None:
    """Beside the lines, which may go to a file."""
    print(f"dllab: {text}", file=sys.stderr)
