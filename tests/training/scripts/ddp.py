"""Plain PyTorch: DistributedDataParallel, dropout, a generator that draws the data."""

import os
import sys
import time

import torch
import torch.distributed as dist

from dllab_hub.runtime.checkpoint import Checkpointer

STEPS = int(sys.argv[1])


class Draw:
    """Where the data comes from, and how far: alike on all ranks."""

    def __init__(self):
        self.random = torch.Generator().manual_seed(7)

    def batch(self, rank, size):
        return torch.randn(8 * size, 16, generator=self.random)[rank::size]

    def state_dict(self):
        return {"random": self.random.get_state()}

    def load_state_dict(self, state):
        self.random.set_state(state["random"])


class Noise(torch.nn.Module):
    """Dropout whose mask comes from the drawn data: no state of its own on any rank."""

    def forward(self, x):
        return x * (x.detach().roll(1, 1) > -1)


dist.init_process_group(os.environ.get("DLLAB_BACKEND", "gloo"))
rank, size = dist.get_rank(), dist.get_world_size()
torch.manual_seed(1)
model = torch.nn.Sequential(
    torch.nn.Linear(16, 32), Noise(), torch.nn.Tanh(), torch.nn.Linear(32, 1)
)
model = torch.nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
draw = Draw()
state = Checkpointer(model=model, optimizer=optimizer, scheduler=scheduler, draw=draw)
first = state.restore()
if rank == 0:
    print("FROM", first, flush=True)
for step in range(first + 1, STEPS + 1):
    x = draw.batch(rank, size)
    loss = ((model(x) - x.sum(1, keepdim=True)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    state.step(step)
    time.sleep(0.05)
dist.all_reduce(loss)
if rank == 0:
    print("FINAL", repr(loss.item() / size), flush=True)
dist.destroy_process_group()
