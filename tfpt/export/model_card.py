"""model_card.md: what people should know of an exported model before they use it. Imports no TensorFlow."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.config.export import SAVED_MODEL, SERVING
from tfpt.evaluation.intervals import accuracy_interval
from tfpt.evaluation.score_texts import SCORES as CLASSIFIER_SCORES
from tfpt.task import ServedModel, TensorInfo

MOST_NAMES = 20
LONGEST_NAME = 60
FEW_EXAMPLES = 30
WIDE_INTERVAL = 0.05
FORMATS = {SAVED_MODEL: "TensorFlow SavedModel", "onnx": "ONNX", "litert": "LiteRT"}
SCORES = {**CLASSIFIER_SCORES, "loss": "loss"}  # which other tasks have too
NOT_SHOWN = ("examples", "flip", "macro_precision", "macro_recall", "weighted_precision", "weighted_recall",
             "weighted_f1")
"""Of a classifier's evaluation/test.json: what the rows of SCORES say already. Other tasks' numbers are shown."""

COMMANDS = "; `jq -r '.examples[].command // empty' signature.json` prints commands to try"
PACKAGES = {"tfpt": "tfpt", "python": "Python", "tensorflow": "TensorFlow", "keras": "Keras", "numpy": "NumPy"}


@dataclass(frozen=True)
class _Measured:
    """The scores that a card shows, and what can be said of them. ``examples`` is what they are measured on."""

    scores: Mapping[str, Any]
    examples: int
    intervals: Mapping[str, tuple[float, float]]
    one_class: float | None  # the accuracy of always answering the class that the test has most of

    @property
    def worth_nothing(self) -> bool:
        """The accuracy may be that of always answering one class."""
        return self.one_class is not None and self.intervals["accuracy"][0] <= self.one_class < 1


def model_card(*, name: str, version: int, format: str, record: Mapping[str, Any], config: Any, served: ServedModel,
               scores: Mapping[str, Any] | None = None, checks: Sequence[str] = (), warmup_examples: int = 0) -> str:
    """The card as Markdown.

    Args:
        name: the run's.
        format: saved_model, onnx or litert, the last with its quantization, such as ``litert int8``.
        record: what run.json holds; what it lacks is left out of the card.
        config: the run's.
        scores: what evaluation/test.json holds; None if there is no such file.
        checks: a line of plain text for each check that the export passed.
        warmup_examples: how many of the examples that it was checked on are in the warm-up requests.
    """
    things = "images" if "image_size" in record.get("metadata", {}) else "examples"
    measured = _measured(record, scores or {})
    sections = {
        "What it is": _what_it_is(format, record, config, served),
        "Data": _data(record, things, warmup_examples),
        "Metrics": _metrics(name, measured, things),
        "Intended use": _intended_use(name, record, measured, things),
        "Known limits": _limits(format, record, served, measured, things),
        "Checks at export": _items(escaped(without_folders(line)) for line in checks) or ["None was made."],
        "Licence": _licence(config),
        "Versions": _versions(name, record)}
    lines = [f"# Model card: {escaped(name)}, version {version}"]
    for title, content in sections.items():
        lines += ["", f"## {title}", "", *content]
    return "\n".join(lines) + "\n"


def escaped(text: object) -> str:
    """``text`` so that Markdown and HTML take none of it for their own, in one line and without control characters."""
    printable = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(text))
    inline = re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", printable.strip())
    return re.sub(r"^(\d+(?=[.)])|(?=[-+#=]))", r"\1\\", inline)


def without_folders(text: str, path: str = "") -> str:
    """``text`` with the name alone of every absolute path in it, and of ``path``, which may hold blanks."""
    if path.startswith(("/", "~")):
        text = text.replace(path.rstrip("/"), Path(path).name)
    return re.sub(r"(?<![\w./~])[/~](?:[^/\s]*/)+(?=[^/\s])", "", text)


def _what_it_is(format: str, record: Mapping[str, Any], config: Any, served: ServedModel) -> list[str]:
    metadata, model = record.get("metadata", {}), getattr(config, "model", None)
    family, *variant = format.split()
    signature = served.signatures[SERVING] if family == SAVED_MODEL else served.network
    size, backbone, alpha = metadata.get("image_size"), getattr(model, "backbone", None), getattr(model, "alpha", None)
    network = [escaped(without_folders(str(backbone)))] if backbone else []
    network += [f"width multiplier {alpha:g}"] if alpha is not None else []
    network += [f"{size:,} × {size:,} pixels"] if size else []
    classes = metadata.get("class_names", ())
    return _items([
        f"Task: {escaped(record.get('task', 'unknown').replace('_', ' '))}",
        *([f"Network: {', '.join(network)}"] if network else []),
        *([f"Classes: {len(classes):,}: {_names(classes)}"] if classes else []),
        f"Format: {' '.join([FORMATS.get(family, escaped(family)), *map(escaped, variant)])}",
        f"Takes {_tensors(signature.inputs)}", f"Gives {_tensors(signature.outputs)}",
        f"How it is called: `signature.json`{COMMANDS if family == 'saved_model' else ''}"])


def _data(record: Mapping[str, Any], things: str, warmup_examples: int) -> list[str]:
    data = record.get("data") or {}
    pieces = without_folders(data.get("summary") or "", data.get("path") or "").split(" · ")
    summary = " · ".join(piece for piece in pieces if " left out (" not in piece)
    parts = [f"{data[part]:,} {part}" for part in ("train", "validation", "test") if part in data]
    left_out = len(data.get("left_out", ()))
    fingerprint = (record.get("fingerprints") or {}).get("data")
    counts = record.get("metadata", {}).get("class_counts")
    return _items([
        *([escaped(summary)] if summary else []),
        *([f"Split: {', '.join(parts)}"] if parts and not all(part in summary for part in parts) else []),
        *([f"Training {things} of a class: {_range(counts)}"] if counts else []),
        *([f"Left out: {left_out:,}, named with the reason in the run's `run.json`" if left_out else "Left out: none"]
          if "left_out" in data else []),
        *([f"Fingerprint of contents, labels and split: `{fingerprint[:12]}`"] if fingerprint else []),
        *([f"`assets.extra/tf_serving_warmup_requests` holds {warmup_examples:,} of the {things} that the export was "
           f"checked on, as they are. If they must not leave the house, delete the file: it only spares the first "
           f"client a wait."] if warmup_examples else [])]) or ["Not recorded."]


def _measured(record: Mapping[str, Any], scores: Mapping[str, Any]) -> _Measured:
    shown = {**((record.get("metrics") or {}).get("test") or {}), **scores}
    examples = shown.get("examples") or (record.get("data") or {}).get("test", 0)
    if "confusion_matrix" not in shown:
        return _Measured(shown, examples, {}, None)
    matrix = np.asarray(shown["confusion_matrix"])
    right, examples = int(np.trace(matrix)), int(matrix.sum())
    stored = {name: (ends[0], ends[1]) for name, ends in shown.get("intervals", {}).items() if ends is not None}
    intervals = {**stored, "accuracy": accuracy_interval(right, examples)}
    return _Measured(shown, examples, intervals, int(matrix.sum(axis=1).max()) / examples)


def _metrics(name: str, measured: _Measured, things: str) -> list[str]:
    others = [score for score in measured.scores if score not in SCORES and score not in NOT_SHOWN]
    rows = [f"| {SCORES.get(score) or escaped(score.replace('_', ' '))} | {_decimal(measured.scores[score])} | "
            f"{_interval(measured.intervals[score]) if score in measured.intervals else ''} |"
            for score in (*SCORES, *others) if isinstance(measured.scores.get(score), (int, float))]
    if not rows:
        return [f"None: the run has no scores of its test {things}. {_code(f'tfpt evaluate {shlex.quote(name)}')} "
                f"makes them; then export again."]
    on = (f"Of the trained model before its export, on the run's {measured.examples:,} test {things}, which took no "
          f"part in its training or in the choice of its best epoch.")
    lines = [on, "", "| score | value | 95 % interval |", "| --- | --- | --- |", *rows]
    if measured.intervals:
        lines += ["", f"Intervals of {escaped(measured.scores.get('interval_method', '95 %'))}. They allow for chance "
                      f"in which {things} the test has, and for nothing else: near-copies of training {things} among "
                      f"the test {things} (one scene, one object twice) make every score too good; tfpt looks for "
                      f"identical files only. Loss is the cross-entropy in nats, the Brier score that of all classes, "
                      f"0 to 2."]
        if measured.scores.get("accuracy") == 1:
            lines += ["Macro F1 has no interval, as the test has no error to draw again."]
    return [*lines, *_weakest(measured, things)]


def _weakest(measured: _Measured, things: str) -> list[str]:
    weakest = measured.scores.get("weakest_class")
    if not weakest:
        return []
    support = {row["class"]: row["support"] for row in measured.scores.get("per_class", ())}
    on = f" on {support[weakest['name']]:,} test {things}" if weakest["name"] in support else ""
    one_class = "" if measured.one_class is None else (
        f" Always answering one class would have an accuracy of {measured.one_class:.3f} at most.")
    return ["", f"Weakest class: {_name(weakest['name'])}, F1 {weakest['f1']:.3f}{on}.{one_class}"]


def _intended_use(name: str, record: Mapping[str, Any], measured: _Measured, things: str) -> list[str]:
    if measured.worth_nothing:
        return ["None yet: it isn't shown to be better than always answering one class (see the known limits)."]
    classes = record.get("metadata", {}).get("class_names", ())
    what = f"Telling {len(classes):,} classes apart, on" if classes else "On"
    low, high = measured.intervals.get("accuracy", (0.0, 0.0))
    errors = f", for uses that can bear {1 - high:.3f} to {1 - low:.3f} of the answers being wrong" if high else ""
    return [f"{what} {things} like those that it was trained on{errors}. On others its scores are unknown until "
            f"{_code(f'tfpt evaluate {shlex.quote(name)} --data PATH')} has measured them."]


def _limits(format: str, record: Mapping[str, Any], served: ServedModel, measured: _Measured,
            things: str) -> list[str]:
    limits = []
    if measured.worth_nothing:
        limits.append(f"**It isn't shown to be better than always answering one class**, which would have an accuracy "
                      f"of {measured.one_class:.3f}; its interval is {_interval(measured.intervals['accuracy'])}.")
    if record.get("metadata", {}).get("class_names"):
        limits += ['Every input gets one of the classes: there is no "none of these".',
                   "Scores are not calibrated: of answers scored 0.9, more or fewer than 9 in 10 may be right."]
    limits.append("It is measured on data like its training data only: another camera, place or year may do worse."
                  if things == "images" else "It is measured on data like its training data only.")
    low, high = measured.intervals.get("accuracy", (0.0, 0.0))
    if high - low > WIDE_INTERVAL:
        limits.append(f"The test is small: {measured.examples:,} {things} leave an interval of {high - low:.3f} "
                      f"around the accuracy.")
    limits += _few_examples(measured.scores.get("per_class", ()), things)
    limits += [escaped(note) for note in measured.scores.get("notes", ())]
    if format == SAVED_MODEL:
        return [*_items(limits), "", "What clients must do:", "", *_items(map(escaped, served.clients_must))]
    return [*_items(limits), "", f"What clients must do, as this format holds the network alone: "
                                 f"{escaped(served.beyond_network)}."]


def _few_examples(per_class: Sequence[Mapping[str, Any]], things: str) -> list[str]:
    few = [row for row in per_class if row["support"] < FEW_EXAMPLES]
    if not few:
        return []
    if len(few) == len(per_class):
        counts = _range([row["support"] for row in few])
        return [f"Every class has fewer than {FEW_EXAMPLES} test {things} ({counts}): the scores of single classes are "
                f"weak evidence."]
    shown = _listed([f"{_name(row['class'])} ({row['support']})" for row in few])
    return [f"Of classes with fewer than {FEW_EXAMPLES} test {things} the scores are weak evidence: {shown}."]


def _licence(config: Any) -> list[str]:
    weights, backbone = (getattr(getattr(config, "model", None), name, None) for name in ("weights", "backbone"))
    match weights:
        case None:
            origin = []
        case "none":
            origin = ["Weights: it started from random ones and learnt from its training data alone."]
        case "bundled":
            origin = ["Weights that it started from: tfpt's bundled ones, Apache-2.0; they learnt from Fashion-MNIST, "
                      "MIT (Expat), © 2017 Zalando SE."]
        case "imagenet":
            origin = [f"Weights that it started from: those of keras.applications for {escaped(backbone)}, trained on "
                      f"ImageNet, whose terms of access give its images for non-commercial research and education "
                      f"only. Ask yourself whether that concerns your use."]
        case _:
            origin = [f"Weights that it started from: {escaped(Path(weights).name)}. Their licence, and that of the "
                      f"data that they learnt from, go on here."]
    return _items([*origin, "Training data: their licence is not known to tfpt. **Fill it in here.**"])


def _versions(name: str, record: Mapping[str, Any]) -> list[str]:
    versions = record.get("versions") or record.get("environment") or {}
    packages = [escaped(f"{title} {versions[package]}") for package, title in PACKAGES.items() if package in versions]
    devices = (record.get("environment") or {}).get("devices", ())
    run = [f"Run {escaped(name)}", *([f"begun {record['began'][:10]}"] if record.get("began") else []),
           *([f"seed {record['seed']}"] if "seed" in record else []),
           *([f"best epoch {record['best_epoch']} of {record['epochs']}"] if record.get("best_epoch") else [])]
    return _items([", ".join(run), *([f"Trained with {', '.join(packages)}"] if packages else []),
                   *([f"Trained on {', '.join(map(escaped, devices))}"] if devices else [])])


def _items(lines: Any) -> list[str]:
    return [f"- {line}" for line in lines]


def _code(text: str) -> str:
    """A code span."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{text}{fence}"


def _decimal(value: float) -> str:
    """With three decimals; what is not quite 1 isn't rounded to it."""
    return "over 0.999" if 0.9995 <= value < 1 else f"{value:.3f}"


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,} to {high:,}" if low < high else f"{low:,}"


def _interval(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.3f}–{ends[1]:.3f}"


def _tensors(infos: Mapping[str, TensorInfo]) -> str:
    return ", ".join(f"{_code(name)} ({escaped(info.about)})" for name, info in infos.items())


def _names(names: Sequence[str]) -> str:
    return _listed([_name(name) for name in names])


def _name(name: str) -> str:
    return escaped(name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME - 1] + "…")


def _listed(shown: Sequence[str]) -> str:
    more = f" and {len(shown) - MOST_NAMES:,} more" if len(shown) > MOST_NAMES else ""
    return ", ".join(shown[:MOST_NAMES]) + more
