"""TensorFlow's own parts only: ClusterCoordinator, CheckpointManager, parameter servers."""

import os
import sys
import time

import tensorflow as tf

STEPS, EVERY = int(sys.argv[1]), int(os.environ["DLLAB_CHECKPOINT_EVERY"])
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
    done = tf.Variable(0, dtype=tf.int64)


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


saved = tf.train.Checkpoint(weight=weight, bias=bias, speed=speed, done=done)
manager = tf.train.CheckpointManager(saved, os.environ["DLLAB_CHECKPOINT_DIR"], max_to_keep=3)
manager.restore_or_initialize()
first = int(done.numpy())
print("FROM", first, flush=True)
for step in range(first + 1, STEPS + 1):
    result = coordinator.schedule(one_step, args=(tf.constant(step),))
    coordinator.join()
    if step % EVERY == 0:
        done.assign(step)
        manager.save(checkpoint_number=step)
    time.sleep(0.05)
print("FINAL", repr(float(result.fetch())), flush=True)
