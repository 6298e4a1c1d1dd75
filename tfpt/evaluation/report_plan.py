"""The plan of a run as part of its page: the schedule, the cache, the main settings."""

from collections.abc import Mapping
from typing import Any

from tfpt.data.sizes import size_text
from tfpt.evaluation.comparison_texts import setting_text
from tfpt.evaluation.html import Html, facts, joined, table
from tfpt.evaluation.phase_texts import unfrozen_text

MAIN_SETTINGS = {"backbone": "model.backbone", "width": "model.alpha", "weights": "model.weights",
                 "image size": "data.image_size", "optimizer": "optimizer.name",
                 "learning rate": "optimizer.learning_rate", "its schedule": "optimizer.schedule",
                 "batch size": "train.batch_size", "precision": "train.precision"}


def plan(record: Mapping[str, Any], settings: Mapping[str, Any]) -> Html:
    """From what run.json holds and the config by dotted name."""
    rate = settings.get("optimizer.learning_rate")
    rows = []
    for phase in record["phases"]:
        what = unfrozen_text(phase["unfreeze"], phase["units"], phase["batch_norm"] == "train")
        backbone = _rate(rate, phase["backbone_rate"]) if phase["unfreeze"] else "–"
        rows.append((f"{phase['from_epoch']}–{phase['to_epoch']}", what, f"{phase['trainable_parameters']:,}",
                     _rate(rate, phase["head_rate"]), backbone))
    schedule = table(("epochs", "trains", "parameters", "head's rate", "backbone's rate"), rows, numbers=(2, 3, 4))
    main = [(title, setting_text(settings[name])) for title, name in MAIN_SETTINGS.items()
            if settings.get(name) is not None]
    cache = [("cache", line) for line in cache_lines(record["cache"])]
    return joined([schedule if rows else "", facts([*main, *cache])])


def cache_lines(cache: Mapping[str, Any]) -> list[str]:
    """The prefix cache of run.json in words, a line for each cut; nothing of an empty record."""
    if not cache:
        return []
    if not cache["cuts"]:
        return [f"none: {cache['why']}"]
    where = "on disk" if cache["where"] == "disk" else "in memory" + (" and on disk" if cache["kept"] else "")
    return [f"cut after {cut['name']} · {cut['saved']:.0%} of the forward work saved · {cache['rows']:,} rows of "
            f"{cut['values']:,} × {cache['dtype']} · {size_text(cache['bytes'])} {where}" for cut in cache["cuts"]]


def _rate(rate: Any, multiplier: float) -> str:
    return f"{rate * multiplier:.3g}" if isinstance(rate, (int, float)) else f"× {multiplier:g}"
