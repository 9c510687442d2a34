"""JupyterHub on Kubernetes, with zero-to-jupyterhub: what config/helm/values.yaml loads.

It comes after the chart's own settings and `hub.config` of the values, so that what stands there
(`LabCatalog`, `LabKubeSpawner`, `KubeSpawner`) holds. Copy nothing: it is part of the package.
"""

import os
import socket
import sys
from pathlib import Path

import dllab_hub
from dllab_hub.hub.config import check

# The chart's own settings have made `c`, and given JupyterHub's word get_config another meaning.
if "c" not in globals():
    c = get_config()  # noqa: F821 - JupyterHub provides it.

# Where the claim is mounted that the pods of jobs mount too; labs get a part of it.
os.environ.setdefault("DLLAB_SHARED", "/srv/dllab")

base = c.JupyterHub.get("base_url", "/").rstrip("/")
# The services run in the hub's own pod. Its Service would lead them there too, but only once the
# pod is ready, and not past every network policy.
api = {"JUPYTERHUB_API_URL": f"http://127.0.0.1:8081{base}/hub/api"}

# --- labs ---------------------------------------------------------------------------------------

c.JupyterHub.spawner_class = "dllab_hub.hub.kube.LabKubeSpawner"
# The chart's Service in front of the proxy. Where the chart serves HTTPS itself, it leads to a
# redirect: say another address in hub.config.LabKubeSpawner.service_url of the values.
c.LabKubeSpawner.setdefault("service_url", f"http://proxy-public{base}/services/dllab/dllab/api/")
c.JupyterHub.template_paths = [str(Path(dllab_hub.__file__).parent / "hub" / "templates")]
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 8

# --- the lab service: training jobs; they outlive labs and this hub ------------------------------

# The proxy is another pod and reaches this one by its address, which Kubernetes writes into
# /etc/hosts. The network policy of the values lets nobody else in.
port = 8082
pod = socket.getaddrinfo(socket.gethostname(), port, type=socket.SOCK_STREAM)[0][4][0]
c.JupyterHub.services.append(
    {
        "name": "dllab",
        "url": f"http://[{pod}]:{port}" if ":" in pod else f"http://{pod}:{port}",
        "command": [sys.executable, "-P", "-m", "dllab_hub.hub.service"],
        "environment": {
            **api,
            "DLLAB_TARGET": "cluster",
            # On the hub's own volume, and on the claim that the pods of jobs mount too.
            "DLLAB_HOME": os.environ.get("DLLAB_HOME", "/srv/jupyterhub/dllab"),
            "DLLAB_SHARED": os.environ["DLLAB_SHARED"],
            # The hub gives its services nothing of its environment; these lead to the API server.
            **{
                name: os.environ[name]
                for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "POD_NAMESPACE")
                if name in os.environ
            },
        },
        "display": False,  # People reach it through their lab, not through the hub's menu.
    }
)

# --- labs that nobody uses ----------------------------------------------------------------------

# A lab tells the hub when it was last used; the bytes of an open page are not taken for use.
c.JupyterHub.proxy_class = "dllab_hub.hub.proxy.LabProxy"
# Set cull.enabled to false in the values: each lab has a limit of its own.
c.JupyterHub.services.append(
    {
        "name": "idle-culler",
        "command": [sys.executable, "-P", "-m", "dllab_hub.hub.culler"],
        "environment": api,
    }
)

# --- who may do what ----------------------------------------------------------------------------

may_use_it = "access:services!service=dllab"
c.JupyterHub.load_roles.extend(
    [
        {"name": "user", "scopes": ["self", may_use_it]},
        {
            "name": "server",
            # Groups: which images and volumes are for whom.
            "scopes": [
                *("users:activity!user", "access:servers!server", "read:users:groups!user"),
                may_use_it,
            ],
        },
        {
            "name": "idle-culler",
            "services": ["idle-culler"],
            "scopes": [
                *("list:users", "read:users:activity", "read:servers", "delete:servers"),
                "admin:server_state",  # Where the limit of each lab is noted.
            ],
        },
        # The lab service restarts labs, with other GPUs, for the people whose they are.
        {"name": "dllab", "services": ["dllab"], "scopes": ["servers"]},
    ]
)

# What labs may be made of. A mistake in LabCatalog ends the hub's start here, with one sentence.
check(c, "cluster", c.JupyterHub.services)
