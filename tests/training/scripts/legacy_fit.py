"""Keras 2 under parameter servers: `fit`, and BackupAndRestore, which saves by itself."""

import os
import sys
import time

import tensorflow as tf

EPOCHS, EACH = int(sys.argv[1]), int(os.environ["DLLAB_CHECKPOINT_EVERY"])
resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
if resolver.task_type in ("ps", "worker"):
    tf.distribute.Server(
        resolver.cluster_spec(), job_name=resolver.task_type, task_index=resolver.task_id
    ).join()

keras = tf.keras
assert "tf_keras" in keras.__name__, "TF_USE_LEGACY_KERAS=1 is needed"
strategy = tf.distribute.ParameterServerStrategy(resolver)


def data(context):
    x = tf.random.stateless_normal([64, 16], [7, 0])
    y = tf.reduce_sum(x, 1, keepdims=True)
    return tf.data.Dataset.from_tensor_slices((x, y)).repeat().batch(16)


class Slow(keras.callbacks.Callback):
    seen = False

    def on_epoch_begin(self, epoch, logs=None):
        print("FROM" if epoch == 0 or not self.seen else "EPOCH", epoch, flush=True)
        self.seen = True
        time.sleep(0.4)


keras.utils.set_random_seed(1)
with strategy.scope():
    model = keras.Sequential(
        [keras.layers.Dense(8, "tanh", input_shape=(16,)), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
backup = os.path.join(os.environ["DLLAB_CHECKPOINT_DIR"], "backup")
history = model.fit(
    keras.utils.experimental.DatasetCreator(data),
    epochs=EPOCHS,
    steps_per_epoch=EACH,
    verbose=0,
    callbacks=[Slow(), keras.callbacks.BackupAndRestore(backup, delete_checkpoint=False)],
)
print("FINAL", repr(history.history["loss"][-1]), flush=True)
