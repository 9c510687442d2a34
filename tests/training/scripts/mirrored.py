"""MultiWorkerMirroredStrategy: workers that write together, under the strategy custom."""

import sys
import time

import tensorflow as tf

from dllab_hub.runtime.tensorflow import TensorFlowCheckpointer, set_tf_config

STEPS = int(sys.argv[1])
set_tf_config()
strategy = tf.distribute.MultiWorkerMirroredStrategy()
worker = strategy.cluster_resolver.task_id
with strategy.scope():
    weight = tf.Variable(tf.zeros([16, 1]))
    seen = tf.Variable(
        0.0,
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )


@tf.function
def one_step(step):
    def on_each(step):
        x = tf.random.stateless_normal([32, 16], [step, worker])
        y = tf.reduce_sum(x, 1, keepdims=True)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x @ weight - y) ** 2)
        here = tf.distribute.get_replica_context()
        weight.assign_sub(0.01 * here.all_reduce("MEAN", tape.gradient(loss, weight)))
        seen.assign_add(32.0)
        return here.all_reduce("MEAN", loss)

    return strategy.run(on_each, args=(step,))


state = TensorFlowCheckpointer(weight=weight, seen=seen, strategy=strategy)
first = state.restore()
if worker == 0:
    print("FROM", first, flush=True)
for step in range(first + 1, STEPS + 1):
    loss = one_step(tf.constant(step))
    state.step(step)
    time.sleep(0.05)
total = float(seen.read_value())
if worker == 0:
    print("SEEN", total, flush=True)
    print("FINAL", repr(float(loss)), flush=True)
