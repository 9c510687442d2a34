"""Brings a job's files into its pod: ``python -m dllab_hub.runtime.fetch DIRECTORY``.

The lab service hands them out as a tar archive at ``DLLAB_FETCH_URL`` to whoever has
``DLLAB_FETCH_TOKEN``, which opens this job's files and nothing else. It runs in a container of its
own, before the code's, whose environment does not hold the token.

Standard library only.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

__all__ = ("fetch", "main")

#: Seconds between two tries, and for one of them.
_PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_TIMEOUT = 60.0


def main(into: str, env: Mapping[str, str] = os.environ) -> int:
    """Fetch, and try again while the lab service does not answer; the exit code."""
    try:
        url, token = env["DLLAB_FETCH_URL"], env["DLLAB_FETCH_TOKEN"]
    except KeyError as exc:
        print(f"dllab: {exc.args[0]} is not set.", file=sys.stderr)
        return 2
    for pause in (*_PAUSES, None):
        try:
            fetch(url, token, Path(into))
            return 0
        except urllib.error.HTTPError as exc:
            why, again = f"the lab service answers {exc.code} {exc.reason}", exc.code >= 500
        except tarfile.TarError as exc:
            why, again = f"what the lab service sent is no archive of files: {exc}", False
        except (OSError, EOFError) as exc:  # EOFError: the connection ended in the middle.
            why, again = f"the lab service cannot be reached, or there is no room: {exc}", True
        if pause is None or not again:
            break
        print(f"dllab: {why}; trying again in {pause:g} s.", file=sys.stderr, flush=True)
        time.sleep(pause)
    print(f"dllab: the job's files did not come: {why}.", file=sys.stderr)
    return 1


def fetch(url: str, token: str, into: Path) -> None:
    """Fill a directory with the archive at ``url``: with all of it, or the next try begins anew.

    Raises:
        OSError: it cannot be reached, or there is no room; ``HTTPError`` is one.
        tarfile.TarError: it is no whole archive, or leads out of the directory.
    """
    request = urllib.request.Request(  # noqa: S310 - the manifest takes http and https only
        url, headers={"Authorization": f"Bearer {token}"}
    )
    with tempfile.TemporaryFile() as file:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            shutil.copyfileobj(answer, file)
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            for member in archive:
                _take_out(archive, member, into)


def _take_out(archive: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    """Write one member. By hand: the filters of `tarfile` are not in every Python 3.11."""
    path = into / member.name
    if ".." in path.parts or not path.is_relative_to(into):
        raise tarfile.ReadError(f"{member.name!r} leads out of it")
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    source = archive.extractfile(member) if member.isreg() else None
    if source is None:
        raise tarfile.ReadError(f"{member.name!r} is neither a file nor a directory")
    path.parent.mkdir(parents=True, exist_ok=True)
    with source, path.open("wb") as file:
        shutil.copyfileobj(source, file)
    path.chmod(0o755 if member.mode & 0o100 else 0o644)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m dllab_hub.runtime.fetch DIRECTORY")
    sys.exit(main(sys.argv[1]))
