"""Keras 3 on one worker: `fit`, and BackupAndRestore, which saves by itself."""

import os
import sys
import time

import keras
import numpy

EPOCHS = int(sys.argv[1])


class Slow(keras.callbacks.Callback):
    seen = False

    def on_epoch_begin(self, epoch, logs=None):
        print("EPOCH" if self.seen else "FROM", epoch, flush=True)
        self.seen = True
        time.sleep(0.4)


keras.utils.set_random_seed(1)
x = numpy.random.default_rng(7).normal(size=(64, 16)).astype("float32")
y = x.sum(1, keepdims=True)
model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(0.01), "mse")
# A folder of its own: Keras removes it at the end of training, unless it is told not to. Two of
# each file: it writes in place, and a kill in the middle would leave nothing to go on from.
backup = keras.callbacks.BackupAndRestore(
    os.path.join(os.environ["DLLAB_CHECKPOINT_DIR"], "backup"),
    double_checkpoint=True,
    delete_checkpoint=False,
)
history = model.fit(
    x, y, epochs=EPOCHS, batch_size=16, shuffle=False, verbose=0, callbacks=[backup, Slow()]
)
print("FINAL", repr(history.history["loss"][-1]), flush=True)
