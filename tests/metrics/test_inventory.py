"""What may be leased is known, whatever the driver does."""

import threading
import time

from dllab_hub.metrics.inventory import Inventory
from dllab_hub.metrics.nvml import Nvml
from dllab_hub.specs import GpuInfo, GpuReport, GpuState
from dllab_hub.testing.nvml import FakeNvml

UUIDS = tuple(f"GPU-00000000-0000-0000-0000-00000000000{i}" for i in range(2))


def test_the_inventory_lists_what_can_be_used(nvml: Nvml, fake: FakeNvml) -> None:
    """A lost GPU is not handed out; an answer is kept for a while."""
    inventory = Inventory(nvml.read, keep=0.2)
    assert inventory() == UUIDS
    fake.set(gpu=0, error=FakeNvml.GPU_IS_LOST)
    assert inventory() == UUIDS
    time.sleep(0.25)

    assert UUIDS[1:] == inventory()


def test_the_inventory_knows_the_names(nvml: Nvml, fake: FakeNvml) -> None:
    """A GPU's name tells which type it is."""
    fake.set(gpu=1, name="NVIDIA Other GPU")
    inventory = Inventory(nvml.read)

    assert inventory.gpus() == (
        GpuInfo(uuid=UUIDS[0], name="NVIDIA Fake GPU"),
        GpuInfo(uuid=UUIDS[1], name="NVIDIA Other GPU"),
    )


def test_a_hung_driver_does_not_take_the_inventory_with_it(nvml: Nvml, fake: FakeNvml) -> None:
    """Callers from any thread get what was last known, and wait for the driver once."""
    inventory = Inventory(nvml.read, keep=0, patience=0.3)
    assert inventory() == UUIDS
    fake.set(hang=1)
    found: list[tuple[str, ...]] = []
    threads = [threading.Thread(target=lambda: found.append(inventory())) for _ in range(10)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [UUIDS] * 10
    assert inventory() == UUIDS
    assert time.monotonic() - began < 1.0


def test_many_callers_cost_one_read() -> None:
    """The driver is asked once for all who ask within ten seconds."""
    reads = []

    def read() -> GpuReport:
        reads.append(1)
        time.sleep(0.05)
        return GpuReport(state=GpuState.NO_GPU, time=0.0)

    inventory = Inventory(read)
    threads = [threading.Thread(target=inventory) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (inventory(), len(reads)) == ((), 1)
