"""Small jobs in which an epoch goes wrong, and what they come to."""

from dataclasses import replace

import keras
import numpy as np

from tests.training.small_jobs import CLASSES, CONFIG, SMALL_TASK, small_job
from tests.training.test_loop import bits
from tfpt.training import checkpoint
from tfpt.training.job import LoopState, all_variables
from tfpt.training.loop import Loop, restore
from tfpt.training.losses import cross_entropy
from tfpt.training.steps import classifier_train_step

TASK = replace(SMALL_TASK, train_step=lambda context: classifier_train_step(
    context, "image", cross_entropy(CLASSES), context.config.train.batch_size))


class Poison(keras.callbacks.Callback):
    """Plays a training that diverges in ``epoch`` at any rate above that after ``halvings``."""

    def __init__(self, epoch, halvings=1, validation=False):
        super().__init__()
        self.where = (epoch, halvings, validation)

    def on_train_batch_end(self, batch, logs=None):
        self.poison(False)

    def on_test_begin(self, logs=None):
        self.poison(True)

    def poison(self, in_validation):
        epoch, halvings, validation = self.where
        if in_validation == validation and self.loop.state.epoch == epoch:
            if len(self.loop.state.recoveries) < halvings:
                kernel = self.model.get_layer("head_output").kernel
                kernel.assign(kernel * np.nan)


def config_of(base=CONFIG, optimizer=None, **train):
    return replace(base, train=replace(base.train, **train), optimizer=replace(base.optimizer, **(optimizer or {})))


def looped(folder, config=CONFIG, callbacks=(), state=None, **options):
    """A loop on a small job; from its newest checkpoint if there is one and no ``state`` is given."""
    folder.mkdir(exist_ok=True)
    job = small_job(folder, config, callbacks=callbacks, **{"task": TASK, **options})
    found = None if state else checkpoint.load_newest(job.checkpoints, checkpoint.describe(all_variables(job)))
    made = restore(job, found[0]) if found else Loop(job, state)
    for callback in callbacks:
        callback.loop = made
    return made


def outcome(finished):
    return (bits(finished.job), [weight.tobytes() for weight in finished.best_weights],
            finished.job.metrics_file.read_text())


def halved(*epochs):
    """The journal of a run that diverged in these epochs, as far as it decides what comes."""
    return [{"epoch": epoch, "what": "diverged", "learning_rate": 0.0} for epoch in epochs]


def told(folder, journal, config=CONFIG, **options):
    """The outcome of a run that has the journal from its beginning, and in which nothing goes wrong."""
    made = looped(folder, config, state=LoopState(recoveries=journal), **options)
    made.run()
    return outcome(made)
