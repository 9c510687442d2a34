"""A loop with parameter servers that saves through the lab's own helper, also on SIGTERM."""

import sys
import time

import tensorflow as tf

from dllab_hub.runtime.tensorflow import TensorFlowCheckpointer

STEPS = int(sys.argv[1])
resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
if resolver.task_type in ("ps", "worker"):
    tf.distribute.Server(
        resolver.cluster_spec(), job_name=resolver.task_type, task_index=resolver.task_id
    ).join()

strategy = tf.distribute.ParameterServerStrategy(resolver)
coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
with strategy.scope():
    weight = tf.Variable(tf.zeros([16, 1]))
    bias = tf.Variable(tf.zeros([1]))
    speed = tf.Variable(tf.zeros([16, 1]))


@tf.function
def one_step(step):
    x = tf.random.stateless_normal([32, 16], [step, 0])
    y = tf.reduce_sum(x, 1, keepdims=True) + 1.0
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ weight + bias - y) ** 2)
    of_weight, of_bias = tape.gradient(loss, [weight, bias])
    speed.assign(0.9 * speed + of_weight)
    weight.assign_sub(0.01 * speed)
    bias.assign_sub(0.01 * of_bias)
    return loss


state = TensorFlowCheckpointer(weight=weight, bias=bias, speed=speed)
first = state.restore()
print("FROM", first, flush=True)
for step in range(first + 1, STEPS + 1):
    result = coordinator.schedule(one_step, args=(tf.constant(step),))
    coordinator.join()
    state.step(step)
    time.sleep(0.05)
print("FINAL", repr(float(result.fetch())), flush=True)
