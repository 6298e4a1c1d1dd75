"""What is done when an epoch goes wrong: it is begun again, at half the learning rate or in smaller pieces.

Each decision is an entry of the journal ``LoopState.recoveries``; ``conditions`` says what follows from it. The journal
is in every checkpoint and in run.json.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import keras

from tfpt.data.pipeline_errors import unreadable_input_told
from tfpt.errors import TrainingFailed
from tfpt.training.conditions import conditions, step_config
from tfpt.training.job import Job, LoopState
from tfpt.training.memory import is_out_of_memory
from tfpt.training.nonfinite import first_nonfinite
from tfpt.training.optimizers import highest_rate

MOST_HALVINGS = 3
TRAINING, VALIDATION, FROZEN = "training", "validation", "frozen layers"


class EpochFailed(Exception):
    """The epoch can't go on as it is; ``part`` of it failed: ``TRAINING``, ``VALIDATION`` or ``FROZEN``."""

    def __init__(self, part: str):
        super().__init__(part)
        self.part = part


class OutOfMemory(EpochFailed):
    """There wasn't memory enough for a call; some of its updates may have been made."""


class Diverged(EpochFailed):
    """The loss isn't finite any more; after ``finite_step`` updates of the epoch it was."""

    def __init__(self, part: str, loss: float, finite_step: int):
        super().__init__(part)
        self.loss, self.finite_step = loss, finite_step


@contextlib.contextmanager
def memory_watched(part: str) -> Iterator[None]:
    """Running out of memory becomes ``OutOfMemory``, input that can't be read any more DataError."""
    try:
        with unreadable_input_told():
            yield
    except Exception as problem:
        if not is_out_of_memory(problem):
            raise
        raise OutOfMemory(part) from problem


def decide(job: Job, state: LoopState, failure: EpochFailed) -> dict[str, Any]:
    """The journal's next entry: what went wrong and where, and what is done about it from the epoch's beginning on.

    Raises:
        TrainingFailed: nothing is left to try, or the job is one that doesn't recover.
    """
    entry = {"epoch": state.epoch, "step": state.step, "where": failure.part}
    if isinstance(failure, Diverged):
        return _halved_rate(job, state, failure, entry)
    return {**entry, "what": "out of memory", **_smaller_size(job, state, failure)}


def recovery_line(entry: Mapping[str, Any]) -> tuple[str, str]:
    """For the screen: a label, then what happened and what is done about it."""
    epoch = entry["epoch"]
    if entry["what"] == "diverged":
        return "diverged", (f"{_divergence(entry)}; epoch {epoch} begins again at half the learning rate, "
                            f"{entry['learning_rate']:.3g}")
    if "evaluation_batch_size" in entry:
        return "memory", (f"too little to validate epoch {epoch}; it is done again with "
                          f"{entry['evaluation_batch_size']} examples at once")
    if "batch_size" in entry:
        return "memory", (f"too little in epoch {epoch} after update {entry['step']}; it begins again with "
                          f"{entry['batch_size']} examples at once, {entry['accumulation_steps']} times per update")
    return "memory", f"too little to run frozen layers in epoch {epoch}; it begins again without the prefix cache"


def _divergence(entry: Mapping[str, Any]) -> str:
    step, finite_step = entry["step"], entry.get("finite_step", 0)
    if entry["where"] == VALIDATION:
        place = f"in the validation of epoch {entry['epoch']}"
    elif step - finite_step == 1:
        place = f"in epoch {entry['epoch']} at step {step}"
    else:
        place = f"in epoch {entry['epoch']} between steps {finite_step + 1} and {step}"
    layer = f", first in {entry['layer']}" if entry.get("layer") else ""
    return f"the loss was {entry['loss']} {place}{layer}"


def _halved_rate(job: Job, state: LoopState, failure: Diverged, entry: Mapping[str, Any]) -> dict[str, Any]:
    entry = {**entry, "what": "diverged", "loss": str(failure.loss)}
    if failure.part == TRAINING:
        entry["finite_step"] = failure.finite_step
    advice = "Try a lower --learning-rate, or optimizer.clip_norm: 1.0."
    if not job.recovers:
        raise TrainingFailed(f"Training diverged: {_divergence(entry)}. {advice}")
    entry["layer"] = first_nonfinite(job.model, _inputs(job, state, failure))
    optimizer = next(iter(job.optimizers.values()))[0]
    rate = highest_rate(optimizer) * conditions(state.recoveries, state.epoch).rate
    if sum("learning_rate" in earlier for earlier in state.recoveries) == MOST_HALVINGS:
        raise TrainingFailed(f"Training diverged: {_divergence(entry)}, though the learning rate had been halved "
                             f"{MOST_HALVINGS} times, to {rate:.3g}. {advice} The checkpoints of "
                             f"{job.checkpoints.parent} are from before that, but --resume would end here again.")
    return {**entry, "learning_rate": rate / 2}


def _inputs(job: Job, state: LoopState, failure: Diverged) -> Iterator[list[Any]]:
    """The model's inputs in the batches among which the loss stopped being finite, where the task names them."""
    if failure.part == TRAINING:
        batches = job.task.train_batches(job.config, job.splits.train, state.epoch, failure.finite_step)
        batches = batches.take(state.step - failure.finite_step)
    else:
        batches = job.task.eval_batches(job.config, job.splits.validation)
    names = [job.task.reusable.name] if job.task.reusable else [tensor.name for tensor in job.model.inputs]
    if set(names) <= set(batches.element_spec):
        yield from ([batch[name] for name in names] for batch in batches)


def _smaller_size(job: Job, state: LoopState, failure: EpochFailed) -> dict[str, Any]:
    under, place = conditions(state.recoveries, state.epoch), f"in epoch {state.epoch} after update {state.step}"
    if not job.recovers:
        raise TrainingFailed(f"Out of memory {place}. Lower --batch-size and raise train.accumulation_steps by the "
                             "same factor, which keeps the size of an update; or lower "
                             "--image-size.") from failure.__cause__
    if failure.part == FROZEN:
        return {"cache": "off"}
    if failure.part == VALIDATION:
        batch = next(iter(job.task.eval_batches(job.config, job.splits.validation)))
        size = under.evaluation_batch_size or len(keras.tree.flatten(batch)[0])
    else:
        size = under.batch_size or job.config.train.batch_size
    if size == 1:
        raise TrainingFailed(f"Out of memory {place}, with a single example at once in {failure.part}. Lower "
                             "--image-size, choose a smaller model or unfreeze less of it, or give the process more "
                             "memory.") from failure.__cause__
    if failure.part == VALIDATION:
        return {"evaluation_batch_size": size // 2}
    train = step_config(job.config, replace(under, batch_size=size // 2)).train
    return {"batch_size": train.batch_size, "accumulation_steps": train.accumulation_steps}
