"""What an epoch is trained under: the config, changed by what was decided when an epoch went wrong."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Conditions:
    """``rate`` multiplies every learning rate; a size that is None is the config's, or the task's."""

    rate: float = 1.0
    batch_size: int | None = None
    evaluation_batch_size: int | None = None
    cached: bool = True


def conditions(recoveries: Sequence[Mapping[str, Any]], epoch: int) -> Conditions:
    """Those of ``epoch``: every entry of the journal holds from the beginning of its own epoch on.

    So they depend neither on the moment at which something went wrong nor on the checkpoint that a run goes on from.
    """
    held = [entry for entry in recoveries if entry["epoch"] <= epoch]

    def smallest(name: str) -> int | None:
        return min((entry[name] for entry in held if name in entry), default=None)

    return Conditions(rate=0.5 ** sum("learning_rate" in entry for entry in held), batch_size=smallest("batch_size"),
                      evaluation_batch_size=smallest("evaluation_batch_size"),
                      cached=not any(entry.get("cache") == "off" for entry in held))


def is_journal(recoveries: Sequence[Mapping[str, Any]]) -> bool:
    """Whether ``conditions`` can be had of what a file says."""
    sizes = ("epoch", "batch_size", "evaluation_batch_size")
    return all("epoch" in entry and all(type(entry.get(name, 1)) is int and entry.get(name, 1) >= 1 for name in sizes)
               for entry in recoveries)


def step_config(config: Any, under: Conditions) -> Any:
    """``config`` as the train step sees it: smaller micro-batches, and more of them. An update stays as large as it is.
    """
    if under.batch_size is None:
        return config
    update_size = config.train.batch_size * config.train.accumulation_steps
    return replace(config, train=replace(config.train, batch_size=under.batch_size,
                                         accumulation_steps=math.ceil(update_size / under.batch_size)))
