"""Packages of a few lines, as wheels that pip installs without a network."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ("wheel",)


def wheel(
    folder: Path,
    name: str,
    version: str,
    script: str = "",
    padding: str = "",
    needs: Sequence[str] = (),
) -> Path:
    """A package of one module that knows its version, and a command when it has a script."""
    required = "".join(f"Requires-Dist: {need}\n" for need in needs)
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}"
    name = name.replace("-", "_")
    files = {
        f"{name}.py": f"VERSION = {version!r}\n\ndef main():\n    import sys; print(sys.prefix)\n",
        f"{name}-{version}.dist-info/METADATA": about,
        f"{name}-{version}.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    if script:
        entry = f"[console_scripts]\n{script} = {name}:main\n"
        files[f"{name}-{version}.dist-info/entry_points.txt"] = entry
    if padding:
        files[f"{name}_data.txt"] = padding
    record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in files.items())
    files[f"{name}-{version}.dist-info/RECORD"] = f"{record}{name}-{version}.dist-info/RECORD,,\n"
    made = folder / f"{name}-{version}-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return made


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
