"""`ClusterHub`: a real hub whose labs and jobs are pods of a real cluster.

The hub, its proxy and the lab service are processes of this machine, which is also the one node
that runs pods: they reach it at the node's address. All else is as on any cluster: the hub has the
rights that zero-to-jupyterhub's chart and config/kubernetes give it and no others, runs as user
1000, and loads the settings that the chart's values name.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cluster_labs import CLAIM, IMAGE, MODELS, USER, hub_kubeconfig, hub_namespace, node_address
from fenced_place import Place, a_fenced_place
from running_hub import TOKEN, RunningHub, until

from dllab_hub.shim.ports import free_port
from dllab_hub.state import StateDir
from dllab_hub.up.proxy import proxy_command

__all__ = ("ClusterHub", "a_cluster_hub")

ROOT = Path(__file__).parents[2]
#: As a pod of that user, but for reading this checkout and the interpreter, wherever they are.
_AS_USER = [
    *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
]
#: The chart loads its values in this order; what it sets itself comes first.
_CONFIG = """
c = get_config()
def get_config(key, default=None): ...  # The chart's own, by JupyterHub's name.

c.JupyterHub.bind_url = {address!r}
c.JupyterHub.hub_bind_url = {hub!r}
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = {proxy!r}
c.JupyterHub.cleanup_servers = False
c.JupyterHub.services = []
c.JupyterHub.load_roles = []
c.JupyterHub.db_url = "sqlite:///{home}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "{home}/cookie_secret"
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0}}
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = {password!r}
c.Authenticator.allow_all = True
c.KubeSpawner.cmd = "jupyterhub-singleuser"
c.KubeSpawner.namespace = {labs!r}
c.KubeSpawner.uid = c.KubeSpawner.gid = c.KubeSpawner.fs_gid = {user}
c.KubeSpawner.cpu_guarantee = 0.05
c.KubeSpawner.mem_guarantee = "128M"
c.KubeSpawner.volumes = {{"home": {{"name": "home", "emptyDir": {{}}}}}}
c.KubeSpawner.volume_mounts = {{"home": {{"name": "home", "mountPath": "/home/lab"}}}}
c.LabKubeSpawner.service_url = "{address}/services/dllab/dllab/api/"
c.LabKubeSpawner.shared_claim = {claim!r}
c.LabKubeSpawner.start_timeout = 120
c.LabCatalog.update({catalog!r})
{more}
import pathlib; exec(pathlib.Path({ours!r}).read_text())

for service in c.JupyterHub.services:
    # The hub is at its node's address, and an account in a file instead of a pod's.
    service["environment"] |= {{
        "JUPYTERHUB_API_URL": "{hub}/hub/api", "KUBECONFIG": {kubeconfig!r}, "PATH": {path!r},
    }}
    if service["name"] == "dllab":
        service["url"] = {service!r}
c.JupyterHub.services.append({{"name": "tests", "api_token": {token!r}}})
c.JupyterHub.load_roles.append(
    {{"name": "tests", "services": ["tests"], "scopes": ["admin:users", "admin:servers"]}}
)
"""


@dataclass
class ClusterHub(RunningHub):
    """The hub, and what an administrator sees of its cluster.

    Attributes:
        place: config/kubernetes in the jobs' namespace, with the administrator's rights.
        disk: The directory behind the claim of both namespaces.
    """

    place: Place = field(kw_only=True)
    disk: Path = field(kw_only=True)

    @property
    def labs(self) -> str:
        """Namespace of labs."""
        return f"{self.place.name}-hub"

    @property
    def log(self) -> Path:
        return self.home / "hub.log"

    def command(self, port: int = 0) -> list[str]:
        found = [self.python, "-m", "jupyterhub", "-f", str(self.home / "jupyterhub_config.py")]
        return [*_AS_USER, *found] if os.geteuid() == 0 else found

    def start(self, seconds: float = 60) -> None:
        """Start the hub with its services, and wait until it answers through the proxy."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                env=self.environ,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.home,
                start_new_session=True,
            )
        assert until(self.answers, seconds), self.hub_log()

    def answers(self) -> bool:
        """Whether the hub and the lab service do, through the proxy."""
        assert self.process is not None
        assert self.process.poll() is None, self.hub_log()
        address = self.facts["address"]
        asked = (f"{address}/hub/api/", f"{address}/services/dllab/")
        try:
            return all(httpx.get(url, trust_env=False).status_code == 200 for url in asked)
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        for session in self.sessions:
            session.http.close()
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """The hub and its services die without a word, as with their node."""
        assert self.process is not None
        for pid in _below(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    def hub_log(self) -> str:
        return self.log.read_text()[-8000:]

    async def pods(self, namespace: str, labels: str = "") -> list[dict[str, Any]]:
        """By name."""
        path = f"/api/v1/namespaces/{namespace}/pods?labelSelector={labels}"
        _, found = await self.place.ask("GET", path)
        return sorted(found["items"], key=lambda pod: str(pod["metadata"]["name"]))

    async def delete_pod(self, namespace: str, name: str) -> None:
        """As ``kubectl delete pod`` does."""
        status, said = await self.place.ask("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}")
        assert status == 200, said


@asynccontextmanager
async def a_cluster_hub(
    tmp: Path,
    *,
    more: str = "",
    catalog: dict[str, Any] | None = None,
    serves: str = "",
) -> AsyncIterator[ClusterHub]:
    """A hub that runs; its namespaces and volumes are gone afterwards.

    Args:
        tmp: Directory for all of it.
        more: Lines for the hub's configuration, before our own file.
        catalog: Laid over ``LabCatalog``.
        serves: Image of the model server; empty: no models are served.
    """
    disk, home = tmp / "disk", tmp / "hub"
    for folder in (disk, home):
        folder.mkdir(parents=True)
        if os.geteuid() == 0:
            os.chown(folder, USER, USER)
    async with a_fenced_place() as place, hub_namespace(place, disk):
        kubeconfig = home / "kubeconfig"
        kubeconfig.write_text(json.dumps(await hub_kubeconfig(place)))
        node = await node_address(place)
        ports = [free_port() for _ in range(4)]
        address, hub = (f"http://{node}:{port}" for port in ports[:2])
        facts = {"address": address, "password": secrets.token_hex(8), "node": node}
        key = secrets.token_hex(16)
        words = {
            "address": address, "hub": hub, "proxy": f"http://127.0.0.1:{ports[2]}",
            "service": f"http://127.0.0.1:{ports[3]}", "home": home, "labs": f"{place.name}-hub",
            "password": facts["password"], "claim": CLAIM, "more": more, "token": TOKEN,
            "catalog": {**_catalog(place, serves), **(catalog or {})},
            "kubeconfig": str(kubeconfig),
            "ours": str(ROOT / "config" / "jupyterhub" / "kubernetes.py"),
            "path": os.environ["PATH"], "user": USER,
        }  # fmt: skip
        (home / "jupyterhub_config.py").write_text(_CONFIG.format(**words))
        environ = {
            "PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(kubeconfig),
            "DLLAB_HOME": str(home / "dllab"), "DLLAB_SHARED": str(disk),
            "CONFIGPROXY_AUTH_TOKEN": key, "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        running = ClusterHub(home, environ, facts=facts, place=place, disk=disk)
        with (home / "proxy.log").open("wb") as log:
            proxy = subprocess.Popen(
                [
                    *proxy_command(StateDir.default(), print),
                    *("--ip", node, "--port", str(ports[0])),
                    *("--api-ip", "127.0.0.1", "--api-port", str(ports[2])),
                    *("--default-target", hub, "--error-target", f"{hub}/hub/error"),
                ],
                env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": key},
                stdout=log,
                stderr=log,
            )
        try:
            running.start()
            yield running
        finally:
            if running.process is not None and running.process.poll() is None:
                running.stop()
            proxy.terminate()
            proxy.wait(10)


def _catalog(place: Place, serves: str) -> dict[str, Any]:
    server = {
        "name": "serving", "title": "Model server", "framework": "kserve", "version": "0.21",
        "serves": ["onnx"], "container": serves,
    }  # fmt: skip
    where = {
        "namespace": place.serving, "claim": MODELS, "user": USER, "cpus": 0.1, "drain": 2,
        "memory": 512 << 20,
    }  # fmt: skip
    return {
        **({"serving": {"cluster": where}} if serves else {}),
        "cluster": {"namespace": place.name, "claim": CLAIM, "user": USER},
        "default_image": "python",
        "images": [
            {
                "name": "python", "title": "Python", "framework": "python", "version": "3",
                "container": IMAGE,
            },
            {
                "name": "missing", "title": "Not there", "framework": "other", "version": "1",
                "container": f"{str(IMAGE).rpartition(':')[0]}:nosuch",
            },
            *([server] if serves else []),
        ],
        "gpu_types": [{"name": "any", "title": "Any GPU", "max_gpus": 8}],
        "limits": {"max_gpus": 8, "max_gpus_per_user": 8, "max_replicas": 16},
    }  # fmt: skip


def _below(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    for number in found:
        for children in Path(f"/proc/{number}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found
