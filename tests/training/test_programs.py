"""Programs are found by their key, and only so many are kept; they run under the conditions of their epoch."""

from dataclasses import replace

import numpy as np
import tensorflow as tf

from tests.training.small_jobs import SMALL_TASK, images, small_job
from tests.training.small_models import residual_model
from tfpt.config.shared import OptimizerConfig
from tfpt.training.conditions import Conditions
from tfpt.training.feeds import DirectFeed
from tfpt.training.freezing import apply_phase
from tfpt.training.optimizers import make_optimizer
from tfpt.training.programs import Program, Programs, make_program


def program():
    return Program(None, None, None)


def test_a_program_is_made_once_for_a_key():
    programs = Programs()
    first = programs.get("a", program)
    assert programs.get("a", program) is first and programs.get("b", program) is not first
    assert programs.made == 2


def test_what_was_not_used_for_longest_goes():
    programs = Programs(most=2)
    kept = programs.get("a", program)
    programs.get("b", program)
    assert programs.get("a", program) is kept
    programs.get("c", program)
    assert programs.get("a", program) is kept
    programs.get("b", program)
    assert programs.made == 4


def two_optimizers_step(context):
    """Each optimizer moves its variables by its own rate, whatever the batch."""
    def step(batch):
        for name, optimizer in context.optimizers.items():
            optimizer.apply([tf.ones_like(variable.value) for variable in context.trainable[name]],
                            context.trainable[name])
        return {name: tf.constant(1.0) for name in ("examples", "loss", "correct")}
    return step


def moved(folder, under):
    """How far a call of one step moves the first weights of each of two optimizers."""
    job = small_job(folder, task=replace(SMALL_TASK, train_step=two_optimizers_step), build=residual_model)
    weights = job.model.get_layer("head_output").kernel, job.model.get_layer("head_output").bias
    configs = [OptimizerConfig(name="sgd", schedule="constant", learning_rate=rate) for rate in (0.1, 1.1)]
    job = replace(job, optimizers={str(index): (make_optimizer(config, [weight], 6, 3, "float32"), [weight])
                                   for index, (config, weight) in enumerate(zip(configs, weights))})
    apply_phase(job.model, job.units, job.phases[0])
    feed = DirectFeed(job.task, job.config, job.splits, job.model, set(), False)
    before = [weight.numpy() for weight in weights]
    batch = tf.data.Dataset.from_tensors({"image": images(0).images, "label": images(0).labels})
    totals = {name: tf.constant(0.0, tf.float64) for name in job.task.totals}
    make_program(job, job.phases[0], feed, under).train.run(iter(batch), 1, totals, job_seconds())
    return [float(np.ravel(start - weight.numpy())[0]) for start, weight in zip(before, weights)]


def job_seconds():
    return {"train": 0.0, "trace": 0.0}


def test_a_halved_rate_is_that_of_every_optimizer(tmp_path):
    np.testing.assert_allclose(moved(tmp_path, Conditions()), [0.1, 1.1], rtol=1e-5)
    np.testing.assert_allclose(moved(tmp_path, Conditions(rate=0.5)), [0.05, 0.55], rtol=1e-5)


def test_a_step_sees_the_smaller_micro_batch_and_the_rest_of_the_config(tmp_path):
    seen = []
    task = replace(SMALL_TASK, train_step=lambda context: seen.append(context.config))
    job = small_job(tmp_path, task=task)
    apply_phase(job.model, job.units, job.phases[0])
    feed = DirectFeed(job.task, job.config, job.splits, job.model, set(), False)
    make_program(job, job.phases[0], feed, Conditions(batch_size=2))
    (config,) = seen
    assert (config.train.batch_size, config.train.accumulation_steps) == (2, 2)
    assert replace(config, train=job.config.train) == job.config
