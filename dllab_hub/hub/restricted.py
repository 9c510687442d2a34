"""`Restricted`: KubeSpawner with defaults that a shared cluster can accept."""

from __future__ import annotations

import re
from typing import Any

from kubespawner import KubeSpawner
from traitlets import TraitError, Unicode, default, validate

__all__ = ("Restricted",)


class Restricted(KubeSpawner):  # type: ignore[misc]
    """Pods without rights: no root, no way to become it, no token for the cluster's API.

    They are defaults: the administrator's configuration holds.
    """

    home = Unicode(
        "/home/lab",
        help="""Absolute path of the home in the labs' containers.

        It becomes HOME and the directory that JupyterLab opens, also in images that call it
        otherwise; mount what keeps people's files here.
        """,
    ).tag(config=True)

    service_url = Unicode(
        "",
        help="""URL of the lab service's REST interface as labs reach it, ending in ``/dllab/api/``.

        When empty, a lab runs its own jobs, and they are not shared between labs.
        """,
    ).tag(config=True)

    shared_claim = Unicode(
        "",
        help="""Name of the claim in the labs' namespace on which the files of jobs lie.

        Then TensorBoard in a lab shows its person's jobs. The hub has it mounted too, where
        ``DLLAB_SHARED`` says.
        """,
    ).tag(config=True)

    @default("cmd")  # type: ignore[untyped-decorator]
    def _default_cmd(self) -> list[str]:
        return ["jupyterhub-singleuser"]

    @default("default_url")  # type: ignore[untyped-decorator]
    def _default_default_url(self) -> str:
        return "/dllab/"

    @default("working_dir")  # type: ignore[untyped-decorator]
    def _default_working_dir(self) -> str:
        return str(self.home)

    @default("uid")  # type: ignore[untyped-decorator]
    def _default_uid(self) -> int:
        return 1000

    @default("gid")  # type: ignore[untyped-decorator]
    def _default_gid(self) -> int:
        return 1000

    @default("fs_gid")  # type: ignore[untyped-decorator]
    def _default_fs_gid(self) -> int:
        return 1000

    @default("automount_service_account_token")  # type: ignore[untyped-decorator]
    def _default_automount(self) -> bool:
        return False  # A lab has no business with the cluster's API.

    @default("container_security_context")  # type: ignore[untyped-decorator]
    def _default_security(self) -> dict[str, Any]:
        # With the other defaults this is the Pod Security Standard "restricted".
        return {
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }

    @validate("profile_list")  # type: ignore[untyped-decorator]
    def _no_profiles(self, proposal: Any) -> Any:
        if proposal["value"]:
            raise TraitError(
                "profile_list has no meaning here: say what labs may be made of in LabCatalog."
            )
        return proposal["value"]

    @validate("home")  # type: ignore[untyped-decorator]
    def _plain_home(self, proposal: Any) -> Any:
        if not re.fullmatch(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+", proposal["value"]):
            raise TraitError("LabKubeSpawner.home must be an absolute path, such as /home/lab.")
        return proposal["value"]
