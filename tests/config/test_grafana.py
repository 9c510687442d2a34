"""config/grafana: what the dashboards are, and what a real Prometheus answers to each expression.

No Grafana draws them here: there is none in Debian.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from measured_lab import TOKEN, measured_lab
from monitoring import Prometheus, a_prometheus, needs
from served import running_loop

from dllab_hub.metrics.prometheus import HELP, family_of
from dllab_hub.testing.nvml import FakeNvml

SHIPPED = Path(__file__).parents[2] / "config" / "grafana"
BOARDS = {path.stem: json.loads(path.read_text()) for path in SHIPPED.glob("dashboards/*.json")}
#: What Grafana puts in for its own variables, and for ours while "All" is chosen.
_VARIABLES = {"$__range": "1h", "$owner": ".*", "$job": ".*", "$endpoint": ".*"}
#: Units that Grafana has a word for.
_UNITS = {"none", "percentunit", "celsius", "watt", "hertz", "bytes", "s", "h", "reqps"}


def expression(target: dict[str, Any]) -> str:
    """As Grafana sends it."""
    text: str = target["expr"]
    for name, value in _VARIABLES.items():
        text = text.replace(name, value)
    # Grafana leaves alone what is no variable, so what `label_replace` found stays.
    assert "$" not in text.replace('"$1"', ""), text
    return text


def targets() -> list[tuple[str, str]]:
    """Where each expression is, and the expression."""
    return [
        (f"{name}: {panel['title']}", expression(target))
        for name, board in BOARDS.items()
        for panel in board["panels"]
        for target in panel["targets"]
    ]


def test_the_four_of_them() -> None:
    """There are dashboards of GPUs, people, jobs and deployments, each with its own address."""
    assert {"gpu-overview", "gpu-users", "jobs", "deployments"} == set(BOARDS)
    assert 4 == len({board["uid"] for board in BOARDS.values()})


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_what_a_dashboard_is_made_of(name: str) -> None:
    """Each panel says what it shows in which unit, asks the chosen Prometheus, and covers none."""
    board = BOARDS[name]
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert "datasource" == variables["datasource"]["type"]
    assert board["schemaVersion"] >= 39
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in _UNITS
        assert {"type": "prometheus", "uid": "${datasource}"} == panel["datasource"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    for one, other in combinations((panel["gridPos"] for panel in board["panels"]), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


def test_the_series_exist() -> None:
    """Every name in a dashboard is one that is measured."""
    names = {name for _, text in targets() for name in re.findall(r"dllab_\w+", text)}

    assert set() == {family_of(name)[0] for name in names} - set(HELP)


def test_every_expression_can_be_read(tmp_path: Path) -> None:
    """Prometheus reads them; a slip of the pen would be seen."""
    needs("promtool")

    def check(texts: list[str]) -> int:
        rules = [{"record": f"panel:{n}", "expr": text} for n, text in enumerate(texts)]
        file = tmp_path / "rules.yaml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
        return subprocess.run(["promtool", "check", "rules", file], capture_output=True).returncode

    texts = [text for _, text in targets()]
    assert 0 == check(texts)
    assert 0 != check([*texts, "sum by (gpu) (dllab_gpu_up"])


@pytest.mark.parametrize("on_a_cluster", [False, True])
def test_how_many_gpus_there_are(tmp_path: Path, on_a_cluster: bool) -> None:
    """A GPU that is divided counts once, whoever measures it and however many hold parts of it."""
    needs("promtool")
    divided = 'uuid="GPU-a",node="n1"'
    # The lab service tells of the GPU and its slices; from dcgm-exporter there are only the parts.
    ups = ["0:1", "0:2"] if on_a_cluster else ["0"]
    infos, parts = ["0:1", "0:2"] if on_a_cluster else ["0", "0:1", "0:2"], ("0:1", "0:2")
    found = {f'dllab_gpu_info{{gpu="{gpu}",{divided},model="A"}}': 1 for gpu in infos}
    found |= {f'dllab_gpu_up{{gpu="{gpu}",{divided}}}': 1 for gpu in ups}
    found |= {f'dllab_gpu_lost{{gpu="{gpu}",{divided}}}': 0 for gpu in ups}
    found |= {f'dllab_gpu_allocated{{gpu="{gpu}",{divided}}}': 1 for gpu in parts}
    if on_a_cluster:
        found |= {f'dllab_gpu_utilization_ratio{{gpu="{gpu}",{divided}}}': 0 for gpu in parts}
    else:
        found |= {'dllab_gpu_info{gpu="3",uuid="GPU-d",node="n1",model="A"}': 1}  # Not permitted.
    for gpu, name, lost in (("1", "b", 0), ("2", "c", 1)):
        at = f'{{gpu="{gpu}",uuid="GPU-{name}",node="n1"}}'
        found |= {f"dllab_gpu_up{at}": 1 - lost, f"dllab_gpu_lost{at}": lost}
        found |= {f"dllab_gpu_allocated{at}": 1, f"dllab_gpu_utilization_ratio{at}": 0.5}
    counts = {"GPUs": 3 if on_a_cluster else 4, "Lost": 1, "Held": 3, "Held and idle": on_a_cluster}
    texts = {where: text for where, text in targets() if where.startswith("gpu-overview")}
    run = {
        "interval": "15s",
        "input_series": [{"series": name, "values": f"{value}x4"} for name, value in found.items()],
        "promql_expr_test": [
            {
                "expr": texts[f"gpu-overview: {panel}"],
                "eval_time": "30s",
                "exp_samples": [{"labels": "{}", "value": int(count)}],
            }
            for panel, count in counts.items()
        ],
    }
    file = tmp_path / "test.yaml"
    file.write_text(json.dumps({"evaluation_interval": "15s", "tests": [run]}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True)

    assert 0 == done.returncode, done.stdout + done.stderr


def test_the_provisioning() -> None:
    """The examples are what Grafana's provisioning takes, and name the same kind of source."""
    (source,) = yaml.safe_load((SHIPPED / "provisioning/datasources.yaml").read_text())[
        "datasources"
    ]
    (provider,) = yaml.safe_load((SHIPPED / "provisioning/dashboards.yaml").read_text())[
        "providers"
    ]

    assert ("prometheus", "file") == (source["type"], provider["type"])


def test_no_series_twice(tmp_path: Path) -> None:
    """Where there is everything, each series comes once; 8 GPUs and 20 jobs are within limits."""
    with running_loop() as loop, measured_lab(loop, tmp_path, gpus=8, jobs=20) as host:
        url = f"{host.origin}/services/dllab/metrics"
        text = host.http.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).text
    lines = [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]
    per_gpu = [line for line in lines if 'gpu="3"' in line]
    per_job = Counter(re.findall(r'job_id="([^"]+)"', "\n".join(lines)))

    assert [] == [line for line, times in Counter(lines).items() if times > 1]
    assert 10 < len(per_gpu) <= 40
    assert 20 == len(per_job)
    assert max(per_job.values()) <= 12


def test_every_panel_shows_something(tmp_path: Path) -> None:
    """On a lab in which there is everything, and something wrong, no panel is empty."""
    with running_loop() as loop, measured_lab(loop, tmp_path, gpus=3, jobs=3) as host:
        fake = FakeNvml(tmp_path / "nvml")
        fake.set(gpu=0, throttle=0x44)
        address = host.origin.removeprefix("http://")
        with a_prometheus(tmp_path / "prometheus", address, TOKEN) as prometheus:
            prometheus.until("dllab_gpu_up == 1")
            fake.set(gpu=2, error=FakeNvml.GPU_IS_LOST)
            fake.set(xids="0:43")
            prometheus.until('ALERTS{alertname="GPULost",alertstate="firing"}')
            prometheus.until("dllab_gpu_xid_errors_total")
            empty = _empty(prometheus)

    assert [] == empty


def _empty(prometheus: Prometheus) -> list[str]:
    """Panels that stay empty; some need two scrapes, one a quarter of a minute."""
    waiting, deadline = targets(), time.monotonic() + 30
    while waiting and time.monotonic() < deadline:
        time.sleep(0.5)
        waiting = [(where, text) for where, text in waiting if not prometheus.query(text)]
    return [f"{where}: {text}" for where, text in waiting]
