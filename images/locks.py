"""Writes what every container image installs, to the file: images/**/lock.txt and README's sizes.

``make locks`` runs it. An input is an image's ``requirements.txt`` and what ``pyproject.toml`` says
that our own package needs there; uv resolves both for one platform and one Python. A lock names for
every package one version and the digest of the one file that pip takes there, and no index.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from dllab_hub.images.download import in_words, unpacked

IMAGES = Path(__file__).parent
PROJECT = IMAGES.parent / "pyproject.toml"
#: Of Debian 12, which all base images are: https://peps.python.org/pep-0600/
GLIBC, MACHINE = 36, "x86_64"
#: Not read from PyPI: it is ours, and its wheel is copied into the image.
OURS = "dllab-hub"
#: Between these lines of README.md the table is written.
BEGIN, END = "<!-- sizes -->\n", "<!-- /sizes -->\n"


@dataclass(frozen=True)
class Lock:
    """One environment of an image, or of several.

    Attributes:
        name: Folder below ``images/``, or ``lab`` for what all lab images have besides.
        python: Of the container, such as ``3.11``.
        extras: Of our package, as in ``pip install dllab-hub[lab]``.
    """

    name: str
    python: str
    extras: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where the lock is."""
        return IMAGES / ("lab.lock.txt" if self.name == "lab" else f"{self.name}/lock.txt")

    @property
    def asked(self) -> Path:
        """Where what is wanted is."""
        return self.path.with_name(self.path.name.replace("lock.txt", "requirements.txt"))

    def wanted(self) -> list[str]:
        """Requirements, a line each: the image's own and our package's."""
        lines = self.asked.read_text().splitlines()
        own = [line for line in lines if line and not line.startswith("#")]
        return [*own, *needs(self.extras)]


def locks() -> list[Lock]:
    """All of them: the lab's, the hub's (the chart's Python), and one per ``image.toml``."""
    found = [Lock("lab", "3.11", ("lab", "s3")), Lock("hub", "3.12", ("kubernetes",))]
    for path in sorted(IMAGES.glob("*/image.toml")):
        found.append(Lock(path.parent.name, tomllib.loads(path.read_text())["python"]))
    return found


def needs(extras: tuple[str, ...]) -> Iterator[str]:
    """Yield what our package needs with these extras, which may name one another."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    for line in lines:
        requirement = Requirement(line)
        if requirement.name == OURS:
            yield from needs(tuple(sorted(requirement.extras)))
        else:
            yield line


def resolve(uv: str, lock: Lock) -> list[dict[str, Any]]:
    """Let uv find the newest versions that fit; packages as in a ``pylock.toml`` (PEP 751).

    Raises:
        SystemExit: They cannot all be had together; uv has said why.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, found = Path(folder, "asked.in"), Path(folder, "pylock.toml")
        asked.write_text("\n".join(dict.fromkeys(lock.wanted())) + "\n")
        done = subprocess.run(
            [
                *(uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate"),
                *("--python-version", lock.python, "--format", "pylock.toml"),
                *("--python-platform", f"{MACHINE}-manylinux_2_{GLIBC}"),
                *("--no-build", "--output-file", str(found), str(asked)),
            ]
        )
        if done.returncode:
            sys.exit(f"{lock.path.relative_to(IMAGES.parent)} is as it was.")
        return list(tomllib.loads(found.read_text())["packages"])


def ranks(python: str) -> dict[Tag, int]:
    """Tags of wheels that the container's pip accepts, the one that it prefers first."""
    major, minor = (int(part) for part in python.split("."))
    platforms = [f"manylinux_2_{n}_{MACHINE}" for n in range(GLIBC, 4, -1)]
    for old, place in (("2014", 17), ("2010", 12), ("1", 5)):
        platforms.insert(
            platforms.index(f"manylinux_2_{place}_{MACHINE}") + 1, f"manylinux{old}_{MACHINE}"
        )
    platforms.append(f"linux_{MACHINE}")
    tags = [*cpython_tags((major, minor), platforms=platforms)]
    tags += compatible_tags((major, minor), f"cp{major}{minor}", platforms)
    return {tag: rank for rank, tag in reversed([*enumerate(tags)])}


def best(package: dict[str, Any], order: dict[Tag, int]) -> dict[str, Any]:
    """Of a package's files, the one that pip takes: ``url``, ``size`` in bytes, ``hashes``.

    Raises:
        SystemExit: There is no wheel, and a container has no compiler.
    """
    choices = []
    for wheel in package.get("wheels", ()):
        name = unquote(urlsplit(wheel["url"]).path.rsplit("/", 1)[-1])
        fits = [order[tag] for tag in parse_wheel_filename(name)[3] if tag in order]
        if fits:
            choices.append((min(fits), name, wheel))
    if not choices:
        sys.exit(f"{package['name']} {package['version']} has no wheel for {MACHINE}.")
    return dict(min(choices, key=lambda choice: choice[:2])[2])


def write(lock: Lock, packages: list[dict[str, Any]]) -> None:
    """Write one lock, its cost on top."""
    order = ranks(lock.python)
    lines, sizes = [], []
    for package in sorted(packages, key=lambda package: str(package["name"])):
        file = best(package, order)
        sizes.append(int(file["size"]))
        digest = file["hashes"]["sha256"]
        lines.append(f"{package['name']}=={package['version']} --hash=sha256:{digest}\n")
    size, disk = sum(sizes), sum(unpacked(size) for size in sizes)
    lock.path.write_text(
        f"# Written by `make locks` from {lock.asked.name} and pyproject.toml.\n"
        f"# linux/amd64, Python {lock.python}: {len(lines)} packages, "
        f"{size} bytes to download, about {disk} on disk.\n" + "".join(lines)
    )


def cost(lock: Lock) -> tuple[int, int, int]:
    """Packages, bytes to download and bytes on disk (about), as the lock's second line says."""
    found = re.search(r"(\d+) packages, (\d+) bytes .* (\d+) on disk", lock.path.read_text())
    if not found:
        sys.exit(f"{lock.path} has no line of its cost.")
    packages, size, disk = map(int, found.groups())
    return packages, size, disk


def table() -> str:
    """The sizes of all images, in Markdown."""
    lab, *others = locks()
    rows = ["| image | packages | to download | on disk, about |\n", "| --- | --- | --- | --- |\n"]
    for lock in others:
        both = [lock] if lock.name.startswith(("hub", "serving")) else [lab, lock]
        packages, size, disk = map(sum, zip(*map(cost, both), strict=True))
        rows.append(f"| `{lock.name}` | {packages} | {in_words(size)} | {in_words(disk)} |\n")
    return "".join(rows)


def main(uv: str, *names: str) -> None:
    """Write the locks of these names, or all, and the table."""
    for lock in locks():
        if not names or lock.name in names:
            write(lock, resolve(uv, lock))
            packages, size, disk = cost(lock)
            print(f"{lock.name}: {packages} packages, {in_words(size)}, {in_words(disk)} on disk")
    readme = IMAGES / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    readme.write_text(before + BEGIN + table() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main(*sys.argv[1:])
