"""Two machines with four GPUs each, as dcgm-exporter tells of them, and whose pods are there."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dllab_hub.errors import Unavailable
from dllab_hub.manifests.rows import PodRow, pod_row

__all__ = ("BLANK", "HOMES", "NODES", "Exporters", "FakePods", "exporters", "lines", "pod")

#: What DCGM tells in place of an integer that it does not know.
BLANK = 9223372036854775794
HOMES = {"lab": "labs", "job": "dllab-jobs", "deployment": "dllab-serving"}
_FREE = ("", "", "")
_WORKER = ("dllab-jobs", "digits-bcdfghj-worker-0-0-x7k2p", "main")
_BASE = {
    "DCGM_FI_DEV_SM_CLOCK": 1980, "DCGM_FI_DEV_MEM_CLOCK": 2619, "DCGM_FI_DEV_GPU_TEMP": 41,
    "DCGM_FI_DEV_POWER_USAGE": 71.5, "DCGM_FI_DEV_GPU_UTIL": 0, "DCGM_FI_DEV_XID_ERRORS": 0,
    "DCGM_FI_DEV_FB_FREE": 80000, "DCGM_FI_DEV_FB_USED": 0, "DCGM_FI_DEV_FB_RESERVED": 559,
    "DCGM_FI_DEV_MEMORY_TEMP": BLANK, "DCGM_FI_DEV_ROW_REMAP_FAILURE": 0,
    "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": 1, "DCGM_FI_DEV_POWER_MGMT_LIMIT": 700,
    "DCGM_FI_DEV_SLOWDOWN_TEMP": 90, "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": 0,
}  # fmt: skip
_HALF = {"DCGM_FI_DEV_FB_FREE": 9000, "DCGM_FI_DEV_FB_USED": 1000, "DCGM_FI_DEV_FB_RESERVED": 0}


@dataclass
class Exported:
    """A GPU, or an instance of one, as it is exported.

    Attributes:
        index: Of the GPU.
        who: Namespace, pod and container that have it.
        values: Besides or in place of the usual ones; None takes one away.
        instance: Number and profile.
    """

    index: int
    who: tuple[str, str, str] = _FREE
    values: Mapping[str, float | None] = field(default_factory=dict)
    instance: tuple[str, str] = ("", "")


#: By machine.
NODES: dict[str, tuple[Exported, ...]] = {
    "n1": (
        Exported(0, _WORKER, {"DCGM_FI_DEV_GPU_UTIL": 93, "DCGM_FI_DEV_FB_USED": 40960,
                              "DCGM_FI_DEV_FB_FREE": 40000, "DCGM_FI_DEV_GPU_TEMP": 66,
                              "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": 0x44}),
        Exported(1, _WORKER, {"DCGM_FI_DEV_GPU_UTIL": 88}),
        Exported(2, ("labs", "jupyter-grace", "notebook"), {"DCGM_FI_DEV_XID_ERRORS": 43}),
        Exported(3, _FREE, {"DCGM_FI_DEV_GPU_TEMP": BLANK, "DCGM_FI_DEV_GPU_UTIL": BLANK,
                            "DCGM_FI_DEV_SLOWDOWN_TEMP": None}),
    ),
    "n2": (
        Exported(0, ("dllab-serving", "s-digits-556162e48a-7d9f-abcde", "server"),
                 {"DCGM_FI_DEV_GPU_UTIL": 7}),
        Exported(1, ("dllab-jobs", "runs-cdfghjk-worker-0-0-q8w4z", "main"),
                 {**_HALF, "DCGM_FI_DEV_GPU_UTIL": None, "DCGM_FI_PROF_GR_ENGINE_ACTIVE": 0.25},
                 ("7", "1g.10gb")),
        Exported(1, _FREE, {**_HALF, "DCGM_FI_DEV_GPU_UTIL": None,
                            "DCGM_FI_PROF_GR_ENGINE_ACTIVE": 0.0}, ("8", "1g.10gb")),
        Exported(2, ("team", "render-0", "main"), {"DCGM_FI_DEV_GPU_UTIL": 50}),
        # It says so; the cluster does not.
        Exported(3, ("labs", "jupyter-ada", "notebook")),
    ),
}  # fmt: skip


def uuid_of(node: str, index: int) -> str:
    """Of a GPU."""
    return f"GPU-{node}-{index}"


def lines(node: str, gpus: tuple[Exported, ...]) -> str:
    """What the exporter of a machine answers."""
    found: dict[str, list[str]] = {}
    for gpu in gpus:
        namespace, name, container = gpu.who
        labels = {
            "gpu": str(gpu.index), "UUID": uuid_of(node, gpu.index),
            "pci_bus_id": f"00000000:{gpu.index}B:00.0", "device": f"nvidia{gpu.index}",
            "modelName": "NVIDIA H100 80GB HBM3",
            **({"GPU_I_PROFILE": gpu.instance[1], "GPU_I_ID": gpu.instance[0]}
               if gpu.instance[0] else {}),
            "Hostname": node, "DCGM_FI_DRIVER_VERSION": "570.124.06",
            "container": container, "namespace": namespace, "pod": name,
        }  # fmt: skip
        said = ",".join(f'{key}="{value}"' for key, value in labels.items())
        for metric, value in {**_BASE, **gpu.values}.items():
            if value is not None:
                found.setdefault(metric, []).append(f"{metric}{{{said}}} {value}")
    return "".join(
        f"# HELP {metric} As NVIDIA has it.\n# TYPE {metric} gauge\n" + "\n".join(each) + "\n"
        for metric, each in found.items()
    )


def pod(namespace: str, name: str, node: str, gpus: int, **meta: Any) -> dict[str, Any]:
    """A pod as the API server has it."""
    asked = {"requests": {"nvidia.com/gpu": str(gpus)}} if gpus else {}
    return {
        "metadata": {"namespace": namespace, "name": name, **meta},
        "spec": {"nodeName": node, "containers": [{"name": "main", "resources": asked}]},
        "status": {"phase": "Running"},
    }


def _of(label: str, value: str, owner: str) -> dict[str, Any]:
    return {"labels": {label: value}, "annotations": {"dllab-hub/owner": owner}}


def _lab(person: str) -> dict[str, Any]:
    return {"annotations": {"hub.jupyter.org/username": person}}


PODS = (
    pod(*_WORKER[:2], "n1", 2, **_of("dllab-hub/job", "digits-bcdfghj", "ada")),
    pod("labs", "jupyter-grace", "n1", 1, **_lab("grace")),
    pod("labs", "jupyter-ada", "n1", 0, **_lab("ada")),
    pod("dllab-serving", "s-digits-556162e48a-7d9f-abcde", "n2", 1,
        **_of("dllab-hub/deployment", "digits", "ada")),
    pod("dllab-jobs", "runs-cdfghjk-worker-0-0-q8w4z", "n2", 1,
        **_of("dllab-hub/job", "runs-cdfghjk", "grace")),
    # It says that it is Ada's, in a namespace where anybody may say so.
    pod("team", "render-0", "n2", 1, **_of("dllab-hub/job", "render-bcdfghj", "ada")),
    pod("gpu-operator", "nvidia-dcgm-exporter-x", "n1", 0),
    pod("gpu-operator", "nvidia-dcgm-exporter-y", "n2", 0),
)  # fmt: skip


class FakePods:
    """The pods of a cluster, as `Machines` tells of them.

    Attributes:
        live: Whether they are known.
    """

    def __init__(self, *more: dict[str, Any], pods: tuple[dict[str, Any], ...] = PODS) -> None:
        self.live = True
        self._rows: dict[tuple[str, str], PodRow] = {
            (one["metadata"]["namespace"], one["metadata"]["name"]): pod_row(one)
            for one in (*pods, *more)
        }

    def names(self) -> set[str]:
        self._check()
        return {"n1", "n2"}

    def pod(self, namespace: str, name: str) -> PodRow | None:
        self._check()
        return self._rows.get((namespace, name))

    def _check(self) -> None:
        if not self.live:
            raise Unavailable("the cluster is being looked at.")


@dataclass
class Exporters:
    """Those of both machines, each at a path of its own.

    Attributes:
        port: On 127.0.0.1.
        nodes: What they tell now.
    """

    port: int
    nodes: dict[str, tuple[Exported, ...]]

    def scraped(self, every: str = "1s") -> dict[str, Any]:
        """Settings of a Prometheus for them, which finds them as it would in a cluster: that of
        ``n1`` with Prometheus' own labels first, that of ``n2`` with ``honorLabels``.
        """
        found = []
        for node, name, honor in (("n1", "x", False), ("n2", "y", True)):
            labels = {"namespace": "gpu-operator", "pod": f"nvidia-dcgm-exporter-{name}"}
            found.append(
                {
                    "job_name": f"dcgm-{node}", "metrics_path": f"/{node}", "honor_labels": honor,
                    "static_configs": [{"targets": [f"127.0.0.1:{self.port}"], "labels": labels}],
                }
            )  # fmt: skip
        return {
            "global": {"scrape_interval": every, "evaluation_interval": every},
            "scrape_configs": found,
        }


@contextmanager
def exporters() -> Iterator[Exporters]:
    """Both of them, over HTTP."""
    made = Exporters(0, dict(NODES))

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            node = self.path.strip("/")
            if node not in made.nodes:
                self.send_error(503)
                return
            body = lines(node, made.nodes[node]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
