"""`RunningLab`: a real `jupyter lab` with our server and front end, without a hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

import dllab_hub

__all__ = ("TOKEN", "RunningLab", "running_lab")

TOKEN = "a-token-of-the-test"
BUILT = Path(dllab_hub.__file__).parent / "labextension"
QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}


@dataclass
class RunningLab:
    """A running `jupyter lab`, its REST interface and the directory of its files."""

    url: str
    http: httpx.Client
    work: Path

    def submit(self, name: str, source: str, **more: Any) -> str:
        """Submit a job; its id."""
        spec = {
            "name": name,
            "image": "here",
            "code": {"source": source},
            "max_restarts": 0,
            **more,
        }
        answer = self.http.post("dllab/api/jobs", json=spec)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def cancel(self, id: str) -> None:
        """End a job."""
        self.http.post(f"dllab/api/jobs/{id}/cancel").raise_for_status()

    def undeploy(self) -> None:
        """Delete all deployments, and wait: they would outlive the lab."""
        end = time.monotonic() + 30
        while there := self.http.get("dllab/api/deployments").json()["deployments"]:
            assert time.monotonic() < end, there
            for deployment in there:
                self.http.delete(f"dllab/api/deployments/{deployment['name']}")
            time.sleep(0.2)


@contextmanager
def running_lab(
    root: Path, envs: Path | None = None, more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[RunningLab]:
    """A plain `jupyter lab`, with a state directory and files of its own below ``root``.

    Args:
        root: An empty directory.
        envs: Directory of built images; without it there is none, so nothing can be served.
        more: Of its environment.
    """
    assert (BUILT / "package.json").is_file(), "build it first: npm --prefix labextension run build"
    for name in ("home", "config/labconfig", "runtime", "share/labextensions", "work"):
        (root / name).mkdir(parents=True)
    (root / "share/labextensions/dllab-hub").symlink_to(BUILT)
    (root / "config/labconfig/default_setting_overrides.json").write_text(json.dumps(QUIET))
    env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "DLLAB_"))}
    env |= {
        "HOME": str(root / "home"),
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
        "JUPYTER_PATH": str(root / "share"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "JUPYTER_TOKEN": TOKEN,
        "DLLAB_HOME": str(root / "dllab"),
        "PYTHONPATH": str(Path(dllab_hub.__file__).parents[1]),
        **more,
    }
    if envs is not None:
        env["DLLAB_ENVS"] = str(envs)
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    command += ["--ServerApp.jpserver_extensions={'dllab_hub': True}"]
    command += [f"--ServerApp.root_dir={root / 'work'}"]
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = _address(server, root)
        with httpx.Client(
            base_url=url,
            headers={"Authorization": f"token {TOKEN}"},
            trust_env=False,
            timeout=30,
        ) as http:
            yield RunningLab(url, http, root / "work")
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _address(server: subprocess.Popen[bytes], root: Path) -> str:
    """Where the server listens, once it does."""
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        for path in (root / "runtime").glob("jpserver-*.json"):
            url = str(json.loads(path.read_text())["url"]).replace("localhost", "127.0.0.1")
            try:
                if httpx.get(f"{url}api", trust_env=False, timeout=5).status_code == 200:
                    return url
            except httpx.HTTPError:
                pass  # Not yet; asked again below.
        time.sleep(0.2)
    raise AssertionError("jupyter lab did not start:\n" + (root / "log").read_text()[-4000:])
