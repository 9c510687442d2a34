"""A model that is sharded over the ranks, saved and restored by all of them."""

import os
import sys
import time

import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard

from dllab_hub.runtime.report import report
from dllab_hub.runtime.sharded import ShardedCheckpointer

STEPS = int(sys.argv[1])
dist.init_process_group(os.environ.get("DLLAB_BACKEND", "gloo"))
rank, size = dist.get_rank(), dist.get_world_size()
torch.manual_seed(1)
model = torch.nn.Sequential(torch.nn.Linear(16, 30), torch.nn.Tanh(), torch.nn.Linear(30, 1))
for part in model:
    fully_shard(part)
fully_shard(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
state = ShardedCheckpointer(model=model, optimizer=optimizer, scheduler=scheduler)
first = state.restore()
if rank == 0:
    print("FROM", first, flush=True)
for step in range(first + 1, STEPS + 1):
    # 24 samples whatever the number of ranks: each takes its part.
    x = torch.randn(24, 16, generator=torch.Generator().manual_seed(step))
    own = x[rank::size]
    loss = ((model(own) - own.sum(1, keepdim=True)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    state.step(step)
    report(step, STEPS, loss=loss)
    time.sleep(0.05)
dist.all_reduce(loss)
if rank == 0:
    print("FINAL", repr(loss.item() / size), flush=True)
dist.destroy_process_group()
