"""What the training figures run: the same text under the lab and bare."""

__all__ = ("FIRST_LINE", "LOGGING", "PS", "RESUME", "STEPS")

FIRST_LINE = """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
if dist.get_rank() == 0:
    print("READY", flush=True)
dist.barrier()
"""
#: CPU seconds of 1,000 steps: of all ranks together, and of the process that started them.
STEPS = """
import os, resource, torch, torch.distributed as dist
dist.init_process_group("gloo")
torch.set_num_threads(1)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(512, 512))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
def step():
    optimizer.zero_grad()
    model(torch.ones(64, 512)).sum().backward()
    optimizer.step()
for _ in range(20):
    step()
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = torch.tensor([usage.ru_utime + usage.ru_stime], dtype=torch.float64)
    dist.all_reduce(used)
    with open(f"/proc/{os.getppid()}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return float(used), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
began = cpu()
for n in range(1000):
    step()
    if n % 10 == 0:
        print("step", n, flush=True)
ended = cpu()
if dist.get_rank() == 0:
    print("CPU", ended[0] - began[0] + ended[1] - began[1], flush=True)
dist.barrier()
"""
RESUME = """
import time, torch, torch.distributed as dist
from dllab_hub.runtime.checkpoint import Checkpointer
dist.init_process_group("gloo")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(16, 1))
state = Checkpointer(model=model)
first = state.restore()
for step in range(first + 1, 100000):
    loss = model(torch.ones(4, 16)).sum()
    loss.backward()
    state.step(step)
    if dist.get_rank() == 0:
        print(f"STEP {step} {time.time()}", flush=True)
    time.sleep(0.02)
"""
#: TensorFlow's parameter server with a loop of its own: the chief hands out steps and saves.
PS = """
import json, os, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
config = json.loads(os.environ["TF_CONFIG"])
resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
if config["task"]["type"] != "chief":
    tf.distribute.Server(
        resolver.cluster_spec(), job_name=config["task"]["type"],
        task_index=config["task"]["index"], protocol="grpc",
    ).join()
from dllab_hub.runtime.checkpoint import Checkpointer
strategy = tf.distribute.ParameterServerStrategy(resolver)
coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
with strategy.scope():
    weight = tf.Variable(tf.zeros([16, 1]))
    steps = tf.Variable(0, dtype=tf.int64)
saver = tf.train.Checkpoint(weight=weight, steps=steps)
state = Checkpointer(save=saver.write, load=lambda path: saver.read(path).expect_partial())
@tf.function
def one():
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(tf.matmul(tf.ones([4, 16]), weight) - 1.0))
    weight.assign_sub(0.01 * tape.gradient(loss, weight))
    steps.assign_add(1)
for step in range(state.restore() + 1, 100000):
    coordinator.schedule(one)
    coordinator.join()
    print(f"STEP {step} {time.time()}", flush=True)
    state.step(step)
    time.sleep(0.02)
"""
#: Ten lines and ten reports a second from each of two workers, for half a minute and more.
LOGGING = """
import time
from dllab_hub.runtime.report import report
for step in range(1, 100000):
    print("step", step, "loss", 1 / step, flush=True)
    report(step, total=100000, loss=1 / step)
    time.sleep(0.1)
"""
