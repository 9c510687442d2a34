"""A virtual environment with the pip that runs the tests, in a second.

Python's own way takes ten: it unpacks an older pip, which then has to be renewed from the index. As
a program, ``python small_env.py DIRECTORY``, it obeys the umask of whoever starts it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pip

__all__ = ("environment",)


def environment(path: Path) -> Path:
    """Make it; returns its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(path)], check=True)
    [site] = path.glob("lib/python*/site-packages")
    here = Path(pip.__file__).parent
    for folder in (here, here.with_name(f"pip-{pip.__version__}.dist-info")):
        shutil.copytree(folder, site / folder.name)
    python, command = path / "bin" / "python", path / "bin" / "pip"
    command.write_text(
        f"#!{python}\nimport pip._internal.cli.main as m\nraise SystemExit(m.main())\n"
    )
    command.chmod(0o755)
    return python


if __name__ == "__main__":
    environment(Path(sys.argv[1]))
