"""Trains the tiny recipe in a process of its own, in which something goes wrong:
``python -m tests.faults.recovery_process RUN_DIR TROUBLES …``.

TROUBLES are such as ``diverged@3,training@2``: a weight that is no number, or no memory for training or validation, in
an epoch, until the journal says that it was mended. Further arguments are ``--resume`` and ``name=value``.
"""

import os
import sys

from tfpt import runtime

MENDED_BY = {"diverged": "learning_rate", "training": "batch_size", "validation": "evaluation_batch_size"}


def play(troubles):
    """Hooks into the loop of this process; returns the callback that poisons."""
    import keras
    import numpy as np
    import tensorflow as tf

    from tfpt.training.loop import Loop
    from tfpt.training.timed_calls import TimedCalls

    begin, run, loops = Loop.__init__, TimedCalls.run, []

    def due(kind):
        state = loops[-1].state
        mended = any(MENDED_BY[kind] in entry for entry in state.recoveries)
        return troubles.get(kind) == state.epoch and not mended

    def remembered(loop, *arguments):
        begin(loop, *arguments)
        loops.append(loop)

    def without_memory(calls, *arguments):
        totals = run(calls, *arguments)  # its updates are made
        if due("training" if calls._kind == "train" else "validation"):
            raise tf.errors.ResourceExhaustedError(None, None, "injected")
        return totals

    class Poison(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if due("diverged"):
                kernel = self.model.get_layer("head_output").kernel
                kernel.assign(kernel * np.nan)

    Loop.__init__, TimedCalls.run = remembered, without_memory
    return Poison()


if __name__ == "__main__":
    runtime.quiet_tensorflow()
    from tfpt.workflows.train import train

    run_dir, troubles, *rest = sys.argv[1:]
    callback = play({kind: int(epoch) for kind, epoch in (item.split("@") for item in troubles.split(",") if item)})
    train("image_classification", recipe="image_classification/tiny", run_dir=run_dir, resume="--resume" in rest,
          tensorboard_root=os.path.join(run_dir, "..", "tensorboard"), callbacks=[callback],
          assignments=[item for item in rest if item != "--resume"])
