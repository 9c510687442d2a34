"""JupyterHub on Kubernetes, with zero-to-jupyterhub: what config/helm/values.yaml loads.

It comes after the chart's own settings and `hub.config` of the values, so that what stands there
(`LabCatalog`, `LabKubeSpawner`, `KubeSpawner`) holds. Copy nothing: it is part of the package.
"""

import sys
from pathlib import Path

import dllab_hub
from dllab_hub.hub.config import check

c = get_config()  # noqa: F821 - JupyterHub provides it.

# --- labs ---------------------------------------------------------------------------------------

c.JupyterHub.spawner_class = "dllab_hub.hub.kube.LabKubeSpawner"
c.JupyterHub.template_paths = [str(Path(dllab_hub.__file__).parent / "hub" / "templates")]
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 8

# --- labs that nobody uses ----------------------------------------------------------------------

# Set cull.enabled to false in the values: each lab has a limit of its own.
c.JupyterHub.services.append(
    {"name": "idle-culler", "command": [sys.executable, "-P", "-m", "dllab_hub.hub.culler"]}
)
c.JupyterHub.load_roles.extend(
    [
        {
            "name": "server",
            # Groups: which images and volumes are for whom.
            "scopes": ["users:activity!user", "access:servers!server", "read:users:groups!user"],
        },
        {
            "name": "idle-culler",
            "services": ["idle-culler"],
            "scopes": [
                *("list:users", "read:users:activity", "read:servers", "delete:servers"),
                "admin:server_state",  # Where the limit of each lab is noted.
            ],
        },
    ]
)

# What labs may be made of. A mistake in LabCatalog ends the hub's start here, with one sentence.
check(c, "cluster")
