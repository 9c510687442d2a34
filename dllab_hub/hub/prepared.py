"""What a lab gets: its variables, its one kernel, and what the page around it shows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..names import slug
from ..specs import Catalog, LabSpec
from ..state import StateDir

__all__ = ("Kernel", "Prepared", "idle_minutes", "variables", "write_settings")


@dataclass(frozen=True)
class Kernel:
    """The interpreter of a lab's notebooks.

    Attributes:
        title: Of the image; empty for a person's own environment.
        python: The overlay's interpreter.
        below: Interpreter of the environment that it lies on.
        magics: Whether that environment has the lab's magics.
    """

    title: str
    python: Path
    below: Path
    magics: bool = True

    @property
    def name(self) -> str:
        """What the launcher and the notebook show."""
        return self.title or f"Python ({self.below.parent.parent.name})"


@dataclass(frozen=True)
class Prepared:
    """What `Lab.prepare` has found out.

    Attributes:
        home: Where the notebooks are.
        env: Variables of the lab.
        python: The overlay's interpreter.
        path: Directories for the front of PATH.
        first_page: Where to send the person, or an empty string for the usual page.
        account: ``user``, ``group`` and ``extra_groups`` for Popen; empty in single-user mode.
    """

    home: Path
    env: dict[str, str]
    python: Path
    path: Sequence[str]
    first_page: str = ""
    account: dict[str, Any] = field(default_factory=dict)


def idle_minutes(spec: LabSpec, catalog: Catalog) -> int:
    """Minutes without use after which the lab is stopped; 0 for never."""
    return catalog.idle_limit(spec.gpus) if spec.idle is None else spec.idle


def variables(
    spec: LabSpec, catalog: Catalog, kernel: Kernel, state: StateDir, owner: str
) -> dict[str, str]:
    """The variables that say what was picked; the same on a cluster, as far as they have a sense.

    Args:
        spec: What was picked.
        catalog: Knows its volumes.
        kernel: Of the lab.
        state: Of this machine.
        owner: Person.
    """
    volumes = {
        volume.name: {
            "title": volume.title,
            "read_only": volume.read_only,
            "place": volume.place,
            **(
                {"url": volume.url, "options": volume.options}
                if volume.url
                else {"path": volume.path}
            ),
        }
        for volume in map(catalog.volume, spec.volumes)
    }
    picked = {key: value for key, value in spec.to_wire().items() if key != "ssh_key"}
    return {
        "DLLAB_IMAGE": spec.image,
        "DLLAB_IMAGE_TITLE": kernel.name,
        "DLLAB_PYTHON": str(kernel.python),
        "DLLAB_LAB": json.dumps(picked),
        "DLLAB_VOLUMES": json.dumps(volumes),
        "DLLAB_IDLE": str(idle_minutes(spec, catalog)),
        "DLLAB_SSH": "1" if spec.ssh else "0",
        # The one that jupyter-sshd-proxy brings itself, in every lab, lets nobody in.
        "JUPYTER_SSHD_PROXY_AUTHORIZED_KEYS_PATH": "none",
        "DLLAB_TENSORBOARD": "1" if spec.tensorboard else "0",
        "DLLAB_TENSORBOARD_LOGDIR": str(state.tensorboard / slug(owner)),
    }


def write_settings(top: Path, kernel: Kernel) -> None:
    """The lab's one kernel; and JupyterLab does not ask about its news.

    They lie beside what the person may write: nobody must lead the hub's writing elsewhere.

    Args:
        top: Directory for them; replaced.
        kernel: Whose interpreter it is.
    """
    shutil.rmtree(top, ignore_errors=True)
    spec = {
        "argv": [
            *(str(kernel.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"),
            *(["--IPKernelApp.extra_extensions=dllab_hub"] if kernel.magics else []),
        ],
        "display_name": kernel.name,
        "language": "python",
        "metadata": {"debugger": True},
        "env": {"VIRTUAL_ENV": str(kernel.python.parent.parent)},
    }
    page = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    for path, content in (
        (top / "kernels" / "python3" / "kernel.json", spec),
        (top / "labconfig" / "page_config.json", page),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content, indent=1))
    for path in (top, *top.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
