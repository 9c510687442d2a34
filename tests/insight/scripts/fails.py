"""Four ranks train together; rank 3 fails at step 5 in the way that the first argument names."""

import os
import signal
import sys
import time

import torch
import torch.distributed as dist
from torch import nn

from dllab_hub.runtime.report import report


def fail(how: str) -> None:
    if how == "shape":
        nn.Linear(8, 4)(torch.zeros(3, 7))
    elif how == "memory":
        torch.zeros(2**50)
    elif how == "hang":
        time.sleep(600)
    elif how == "disk":
        with open("/dev/full", "w") as full:
            full.write("x" * 10_000)
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


def main(how: str) -> None:
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    for step in range(1, 101):
        if rank == 3 and step == 5:
            fail(how)
        total = torch.ones(1) * rank
        dist.all_reduce(total)
        report(step, total=100, loss=1.0 / step)
        time.sleep(0.05)
    dist.destroy_process_group()


main(sys.argv[1])
