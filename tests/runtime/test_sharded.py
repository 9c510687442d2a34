"""Checkpoints that all ranks write together, with real ranks of torch."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from rank_processes import run_ranks

from dllab_hub.runtime.checkpoint import latest
from dllab_hub.runtime.resume import newest, whole

#: Trains to a step; the last rank ends itself by SIGTERM after another one.
SCRIPT = """
import os, signal, sys, torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from dllab_hub.runtime.sharded import ShardedCheckpointer

folder, wrap, last, ends, width = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
if wrap != "none":
    dist.init_process_group("gloo")
torch.manual_seed(rank)  # Every rank begins elsewhere: what is alike afterwards was restored.
model = torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.Tanh(), torch.nn.Linear(width, 1))
if wrap == "fsdp":
    for part in model:
        fully_shard(part)
    fully_shard(model)
elif wrap == "ddp":
    model = DistributedDataParallel(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
state = ShardedCheckpointer(
    model=model, optimizer=optimizer, scheduler=scheduler, dir=folder, every=5)
first = state.restore()
for step in range(first + 1, last + 1):
    x = torch.randn(12, 8, generator=torch.Generator().manual_seed(step))
    own = x[rank::size]
    loss = ((model(own) - own.sum(1, keepdim=True)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step == ends and rank == size - 1:
        os.kill(os.getpid(), signal.SIGTERM)
    state.step(step, epoch=step // 5)
whole = [p.full_tensor() if wrap == "fsdp" else p for p in model.parameters()]
moment = [optimizer.state[p]["exp_avg"] for p in model.parameters() if p in optimizer.state]
moment = [m.full_tensor() if wrap == "fsdp" else m for m in moment]
print(first, scheduler.last_epoch, state.extra,
      f"{sum(p.double().sum() for p in whole):.6f} {sum(m.double().sum() for m in moment):.6f}")
if wrap != "none":
    dist.destroy_process_group()
"""


@pytest.fixture
def python() -> str:
    path = os.environ.get("DLLAB_TEST_PYTHON")
    if not path:
        pytest.fail("DLLAB_TEST_PYTHON must name a Python that has torch; `make test` sets it.")
    return path


@pytest.mark.timeout(600)  # Six times torch is imported.
def test_sharded_from_two_ranks_to_three_to_one(python: str, tmp_path: Path) -> None:
    """SIGTERM to one rank saves on all at one step; a torn shard is seen; any number restores."""
    folder = tmp_path / "checkpoints"
    ended = run_ranks(python, SCRIPT, 2, str(folder), "fsdp", "100", "12", "16")
    assert [143, 143] == ended.codes, ended.err
    # The wish of one rank is known to all one step later.
    assert [13, 10, 5] == [found.step for found in whole("torch-distributed", folder)]

    shard = folder / "step-00000013" / "__1_0.distcp"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    ended = run_ranks(python, SCRIPT, 3, str(folder), "fsdp", "15", "0", "16")
    assert [0, 0, 0] == ended.codes, ended.err
    assert "damaged checkpoint step-00000013: __1_0.distcp is not what was written" in ended.err[0]
    assert ["", ""] == ended.err[1:]
    assert 1 == len(set(ended.out))
    first, epoch, extra, *sums = ended.out[0].replace("{'epoch': 2}", "2").split()
    assert ("10", "15", "2") == (first, epoch, extra)

    # Not sharded, not distributed: the same numbers, of weights and of the optimizer's moments.
    alone = run_ranks(python, SCRIPT, 1, str(folder), "none", "15", "0", "16")
    assert [0] == alone.codes, alone.err
    assert ["15", "15", *sums] == alone.out[0].replace("{'epoch': 3} ", "").split()
    assert str(folder / "step-00000015") == newest(dir=folder)


def test_a_full_disk_is_the_same_on_all_ranks(python: str, tmp_path: Path) -> None:
    """A save that one rank cannot write is given up by all, aloud, and training goes on."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        # 3 x 4000 x 10 numbers of 4 bytes: twice as much as there is room for.
        ended = run_ranks(python, SCRIPT, 2, str(small / "here"), "ddp", "11", "0", "4000")

        assert [0, 0] == ended.codes, ended.err
        assert "step 5 was NOT saved" in ended.err[0]
        assert "step 10 was NOT saved" in ended.err[0]
        assert "the disk is full (No space left on device)" in ended.err[0]
        assert "" == ended.err[1]
        assert [] == list((small / "here").iterdir())
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_what_cannot_be_saved_is_said_at_once(python: str, tmp_path: Path) -> None:
    """A mistake is an error when training starts, and names the object and the way out."""
    (tmp_path / "file").touch()
    script = """
import sys, torch
from dllab_hub.runtime.sharded import ShardedCheckpointer
model, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
for wrong in (
    {}, {"model": model, "optimizer": torch.optim.SGD(other.parameters())},
    {"model": model, "epoch": 3}, {"optimizer": torch.optim.SGD(other.parameters())},
    {"model": model, "dir": sys.argv[1]},
):
    try:
        ShardedCheckpointer(**wrong)
    except (TypeError, OSError) as exc:
        print(exc)
"""
    ended = run_ranks(python, script, 1, str(tmp_path / "file"))
    nothing, stranger, number, alone, unwritable = ended.out[0].splitlines()

    assert "nothing to save: name objects (model=model)" == nothing
    assert "optimizer moves parameters that are in no module given here" in stranger
    assert "epoch has no state_dict()" == number
    assert "optimizer moves parameters that are in no module" in alone
    assert "no checkpoint can be written (File exists)" in unwritable
    assert str(tmp_path / "file") in unwritable
    assert None is latest(tmp_path)


def test_the_other_kind_of_checkpoint_is_said(python: str, tmp_path: Path) -> None:
    """What one rank saved and what all ranks saved is not taken for one another."""
    script = """
import sys, torch
from dllab_hub.runtime.checkpoint import Checkpointer
from dllab_hub.runtime.sharded import ShardedCheckpointer
model = torch.nn.Linear(2, 2)
kinds = [kind(model=model, dir=sys.argv[1]) for kind in (Checkpointer, ShardedCheckpointer)]
for one, other in (kinds, kinds[::-1]):
    path = one.save(1)
    try:
        other.restore()
    except ValueError as exc:
        print(exc)
"""
    ended = run_ranks(python, script, 1, str(tmp_path))

    assert [
        "step-00000001 was saved by one rank; dllab_hub.runtime.checkpoint restores it",
        "step-00000001 was saved by all ranks; dllab_hub.runtime.sharded restores it",
    ] == ended.out[0].splitlines(), ended.err
