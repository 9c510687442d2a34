"""Packages on top of a lab's image, installed by an init container before the lab starts.

They go where Python looks for what a person installed (``PYTHONUSERBASE``), one place for each
image below the home: the image stays as it is, ``%pip install`` ends up there too, and the next
start finds them there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..specs import LabSpec
from .environment import escape

__all__ = ("CONTAINER", "init_container", "overlay", "overlay_environment")

#: Name of the init container.
CONTAINER = "packages"
#: The list comes in by the environment and is read by pip: no shell ever sees a word of it.
_SCRIPT = """\
printf '%s\\n' "$DLLAB_REQUIREMENTS" | python3 -m pip install --user --no-input --quiet \
--disable-pip-version-check --no-warn-script-location -r /dev/stdin
"""


def overlay(spec: LabSpec, home: str) -> str:
    """Absolute path of what is installed on top of this image."""
    return f"{home}/.local/share/dllab-hub/overlays/{spec.image}"


def overlay_environment(spec: LabSpec, home: str) -> dict[str, str]:
    """Variables with which Python and pip use the overlay."""
    return {"DLLAB_OVERLAY": overlay(spec, home), "PYTHONUSERBASE": overlay(spec, home)}


def init_container(
    spec: LabSpec,
    image: str,
    home: str,
    mounts: Sequence[Mapping[str, Any]],
    resources: Mapping[str, Any],
    security: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """The container that installs them.

    Args:
        spec: It asks for packages.
        image: The lab's.
        home: Absolute path of the home in the container.
        mounts: The lab's.
        resources: CPU and memory; where a quota holds, each container says what it needs.
        security: The lab's security context.
        environment: What the administrator set for labs: pip's index and proxies count here too.
    """
    known = {
        key: value
        for key, value in environment.items()
        if isinstance(value, str)
        and (key.startswith("PIP_") or key.lower() in {"http_proxy", "https_proxy", "no_proxy"})
    }
    own = {
        "HOME": home,
        **overlay_environment(spec, home),
        "DLLAB_REQUIREMENTS": "\n".join(spec.requirements),
        "NVIDIA_VISIBLE_DEVICES": "void",  # It needs none; see `environment`.
    }
    variables = {**known, **{key: escape(value) for key, value in own.items()}}
    return {
        "name": CONTAINER,
        "image": image,
        "command": ["sh", "-c", _SCRIPT],
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "volumeMounts": [dict(mount) for mount in mounts],
        "resources": dict(resources),
        "securityContext": dict(security),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
