"""The lab service, as a process, tells of a GPU that is lost below the real NVML binding."""

from __future__ import annotations

import json
from pathlib import Path

from receivers import hook
from served import until
from watched_service import watched_service

from dllab_hub.client import Client
from dllab_hub.testing.nvml import FakeNvml


def test_from_the_driver_to_a_webhook(tmp_path: Path) -> None:
    """The administrator gets both ends of it, and nobody gets the GPU in between; of people, the
    one whose account the machine runs under sees it, and others see nothing."""
    (tmp_path / "state").mkdir()
    with hook() as receiver:
        (tmp_path / "state" / "catalog.toml").write_text(
            f"[alerts]\nwebhook = '{receiver.url}'\n[alerts.actions]\nGPULost = 'withdraw'\n"
        )
        with watched_service(tmp_path, gpus=2) as service:
            url = f"http://{service.address}{service.api}"
            ada, own = Client(url, "ada-token"), Client(url, "own-token")
            assert () == ada.alerts().alerts == own.alerts().alerts
            service.nvml.set(gpu=1, error=FakeNvml.GPU_IS_LOST)
            receiver.until(1, seconds=40)
            leases = tmp_path / "state" / "leases"  # It is told first, and withdrawn then.
            # At the next look, which may be 15 seconds later.
            withdrawn = until(lambda: list(leases.glob("*.withdrawn")), 40)
            assert () == ada.alerts().alerts
            assert ["GPULost"] == [alert.rule for alert in own.alerts().alerts]
            service.nvml.set(gpu=1, error=None)
            receiver.until(2, seconds=40)
            assert () == ada.alerts().alerts
            assert ["resolved"] == [alert.state for alert in own.alerts().alerts]
            ada.close()
            own.close()

    first, second = (json.loads(body) for _, body in receiver.posts)
    assert ("GPULost", "firing", "GPU 1") == (first["rule"], first["state"], first["name"])
    assert ("resolved", first["fired"]) == (second["state"], second["fired"])
    assert [first["subject"]] == [path.name.removesuffix(".withdrawn") for path in withdrawn]
