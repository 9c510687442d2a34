"""JupyterHub on one machine. `dllab up` starts the hub with this file; copy nothing, read it here.

What belongs to one installation (ports, passwords, mode) is written by `dllab up` below
<root>/hub/. Your own settings go into <root>/hub/jupyterhub_config.py, which is read last.
"""

import json
import os
import sys
from pathlib import Path

import dllab_hub
from dllab_hub.hub.config import check
from dllab_hub.state import StateDir

c = get_config()  # noqa: F821 - JupyterHub provides it.

state = StateDir.default()  # DLLAB_HOME and DLLAB_ENVS, or below ~/.local/share/dllab-hub.
hub = state.hub
settings = json.loads((hub / "settings.json").read_text())
os_users = settings["os_users"]

# --- addresses: loopback only; put a TLS proxy in front to open it to others -------------------

c.JupyterHub.bind_url = f"http://127.0.0.1:{settings['port']}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{settings['hub_port']}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings['proxy_port']}"
c.ConfigurableHTTPProxy.command = settings["proxy"]
c.ConfigurableHTTPProxy.pid_file = str(hub / "proxy.pid")

# --- files --------------------------------------------------------------------------------------

c.JupyterHub.db_url = f"sqlite:///{hub / 'jupyterhub.sqlite'}"
c.JupyterHub.upgrade_db = True  # After an update of JupyterHub; it keeps a copy of the old file.
c.JupyterHub.cookie_secret_file = str(hub / "cookie_secret")

# --- who may log in -----------------------------------------------------------------------------

if os_users:
    # The machine's accounts with their own passwords; each lab runs as its account.
    c.JupyterHub.authenticator_class = "pam"
    c.PAMAuthenticator.open_sessions = False  # A lab is no login session.
    c.Authenticator.blocked_users = {"root"}
else:
    # One password for everybody, any user name: accounts are a convenience here, not a fence.
    c.JupyterHub.authenticator_class = "shared-password"
    c.SharedPasswordAuthenticator.user_password = (hub / "password").read_text().strip()
    c.SharedPasswordAuthenticator.admin_password = (hub / "admin-password").read_text().strip()
    c.Authenticator.admin_users = {"admin"}
c.Authenticator.allow_all = True  # Everybody who can prove who they are.

# --- labs ---------------------------------------------------------------------------------------

service = f"http://127.0.0.1:{settings['service_port']}/services/dllab/"
c.JupyterHub.spawner_class = "dllab_hub.hub.local.LocalLabSpawner"
c.LocalLabSpawner.os_users = os_users
c.LocalLabSpawner.service_url = f"{service}dllab/api/"
c.JupyterHub.template_paths = [str(Path(dllab_hub.__file__).parent / "hub" / "templates")]
c.Spawner.default_url = "/dllab/"  # The page with all doors of a lab; "/lab" leads past it.
c.Spawner.start_timeout = 120  # A cold disk and a busy machine; usually 3 to 6 seconds.
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 8

# --- the lab service: training jobs, GPU load; they outlive labs and this hub --------------------

c.JupyterHub.services = [
    {
        "name": "dllab",
        "url": f"http://127.0.0.1:{settings['service_port']}",
        "command": [sys.executable, "-P", "-m", "dllab_hub.hub.service"],
        "environment": {
            "DLLAB_HOME": str(state.root),
            "DLLAB_ENVS": str(state.envs),
            "DLLAB_OS_USERS": "1" if os_users else "0",
            # DLLAB_SHARED and KUBECONFIG where jobs may run on clusters too (LabCatalog.targets).
            **{
                key: os.environ[key]
                for key in ("DLLAB_SHARED", "KUBECONFIG", "LD_LIBRARY_PATH", "PYTHONPATH")
                if key in os.environ
            },
        },
        "display": False,  # People reach it through their lab, not through the hub's menu.
    }
]
_may_use_it = "access:services!service=dllab"
c.JupyterHub.load_roles = [
    {"name": "user", "scopes": ["self", _may_use_it]},
    {
        "name": "server",
        # Groups: which images and volumes are for whom.
        "scopes": [
            *("users:activity!user", "access:servers!server", "read:users:groups!user"),
            _may_use_it,
        ],
    },
]

# --- labs that nobody uses ----------------------------------------------------------------------

# A lab tells the hub when it was last used; the bytes of an open page are not taken for use.
c.JupyterHub.proxy_class = "dllab_hub.hub.proxy.LabProxy"
c.JupyterHub.services.append(
    # Stops labs that were not used for as long as they may be; --timeout=SECONDS is for others.
    {"name": "idle-culler", "command": [sys.executable, "-P", "-m", "dllab_hub.hub.culler"]}
)
c.JupyterHub.load_roles += [
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

# --- Prometheus, if there is a token for it ------------------------------------------------------

if (hub / "prometheus-token").exists():
    token = (hub / "prometheus-token").read_text().strip()
    c.JupyterHub.services.append({"name": "prometheus", "api_token": token, "display": False})
    # It reads the hub's metrics and the lab service's, and nothing else.
    scopes = ["read:metrics", _may_use_it]
    c.JupyterHub.load_roles.append(
        {"name": "prometheus", "services": ["prometheus"], "scopes": scopes}
    )

# --- yours --------------------------------------------------------------------------------------

if (hub / "jupyterhub_config.py").exists():
    load_subconfig(str(hub / "jupyterhub_config.py"))  # noqa: F821

# What labs may be made of: catalog.toml, and c.LabCatalog. A mistake ends the start here.
check(c, "machine", c.JupyterHub.services)
