"""What TensorBoard is given of a run beside its curves: the config, training examples, the best model's validation.

The config and the training examples are events of the run's own folder, the best model's of ``best`` in it: each is
written whole, in place of what an earlier process of the run has written.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpt.config.writing import to_yaml
from tfpt.data.listing import printable
from tfpt.errors import DataError, TrainingFailed
from tfpt.task import Answers, Task
from tfpt.training.event_files import NOT_WRITTEN, problem_text, text, write_alone
from tfpt.training.job import Job
from tfpt.training.loop import Loop
from tfpt.training.screen import Screen
from tfpt.workflows.run_pictures import with_short_names

CONFIG, TRAINING = "config", "training/as_the_model_sees_them"
CONFUSION, WORST, CURVES = "validation/confusion_matrix", "validation/worst", "precision_recall"
BEST = "best"
SHOWN = 20
LEAST_SECONDS, SHARE_OF_TRAINING = 1.0, 0.015
"""What asking the best model again may take: a second, or this share of the training if that is more."""


def log_beginning(job: Job) -> None:
    """The resolved config, and the first examples of training."""
    config, task = job.config, job.task
    with _not_worth_a_training(job.screen, job.tensorboard):
        summaries = [text(CONFIG, _code_block(to_yaml(config)))]
        if config.tensorboard.pictures and task.show_training is not None:
            from tfpt.evaluation.event_pictures import examples_summary

            examples = task.show_training(config, job.splits.train, job.splits.metadata, SHOWN)
            summaries.append(examples_summary(TRAINING, "training examples as the model sees them", examples))
        write_alone(job.tensorboard, ".beginning", 0, summaries)


def log_best(job: Job, model: keras.Model, loop: Loop, seconds_per_example: float) -> None:
    """What the best ``model`` says of validation. ``seconds_per_example``: what asking it takes at most."""
    task, source, best = job.task, job.splits.validation, loop.state.best
    if not job.config.tensorboard.pictures or task.answers is None or best is None or not len(source):
        return
    from tfpt.evaluation.event_pictures import confusion_summary, pr_summaries, worst_summary
    from tfpt.evaluation.worst import worst_examples

    with _not_worth_a_training(job.screen, job.tensorboard / BEST):
        allowed = max(LEAST_SECONDS, SHARE_OF_TRAINING * sum(loop.state.wall_seconds.values()))
        answers, indices = answers_within(allowed, task, job.config, model, source, seconds_per_example)
        names = [printable(name) for name in job.splits.metadata["class_names"]]
        rows = worst_examples(answers, names, [source.names[index] for index in indices])
        shown = [task.show(source, int(indices[row["index"]])) for row in rows]
        about = _about(len(indices), len(source), best["epoch"])
        write_alone(job.tensorboard / BEST, ".best", best["epoch"], [
            confusion_summary(CONFUSION, answers, names, about),
            worst_summary(WORST, with_short_names(rows), shown, about), *pr_summaries(CURVES, answers, names, about)])


def answers_within(seconds: float, task: Task, config: Any, model: keras.Model, source: Any,
                   seconds_per_example: float) -> tuple[Answers, np.ndarray]:
    """The answers to as many examples of ``source`` as can be had in about ``seconds``, and the numbers of these.

    Of more, those are taken that are first in one fixed random order. ``seconds_per_example`` is a first estimate.
    """
    assert task.answers is not None
    order = np.random.default_rng(0).permutation(len(source))
    parts, done, began = [], 0, time.monotonic()
    while done < len(source):
        spent = time.monotonic() - began
        rate = spent / done if done else seconds_per_example
        affordable, rest = int((seconds - spent) / max(rate, 1e-9)), len(source) - done
        if done and affordable < min(rest, done // 4):
            break  # another call isn't worth it
        chosen = order[done:done + max(1, affordable)]
        parts.append(task.answers(config, model, source.subset(chosen)))
        done += len(chosen)
    together = Answers(np.concatenate([part.probabilities for part in parts]),
                       np.concatenate([part.labels for part in parts]))
    return together, order[:done]


def _about(examples: int, of: int, epoch: int) -> str:
    what = f"{of:,} validation examples"
    what = f"the {what}" if examples == of else f"{examples:,} of the {what}, drawn at random"
    return f"What the best model, that of epoch {epoch}, says of {what}."


def _code_block(code: str) -> str:
    """Indented, as no content can end such a block."""
    return "".join(f"    {line}\n" for line in code.splitlines())


@contextlib.contextmanager
def _not_worth_a_training(screen: Screen, folder: Path) -> Iterator[None]:
    """What may go wrong within is told, in a line."""
    try:
        yield
    except (*NOT_WRITTEN, MemoryError, DataError, TrainingFailed) as problem:
        screen.line("watch", f"no pictures in {folder}: {problem_text(problem)}")
