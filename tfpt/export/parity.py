"""Whether an export answers as the trained model does: label by label, and probability by probability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PROBABILITY_TOLERANCE = 1e-4
LABEL_MARGIN = 2e-4
"""What two probabilities that are each off by the tolerance can change places over."""


@dataclass(frozen=True)
class Difference:
    """One example, as the trained model and as the export see it; a probability is that of the label before it."""

    name: str
    label: str
    probability: float
    export_label: str
    export_probability: float
    class_name: str  # whose probability differs most, by ``difference``
    difference: float
    why: str  # what is wrong with the export's answer as a whole, or empty

    def __str__(self) -> str:
        trained = f"{self.name}: the trained model says {self.label} ({self.probability:.4f}), the export"
        if self.why:
            return f"{trained} {self.why}"
        return (f"{trained} {self.export_label} ({self.export_probability:.4f}); the probability of {self.class_name} "
                f"differs by {short(self.difference, 3)}")


@dataclass(frozen=True)
class Parity:
    """An export's answers held against the trained model's. Whole numbers count examples."""

    examples: int
    same_label: int
    compared: int  # the trained model's two likeliest labels are more than ``label_margin`` apart
    differing_labels: int  # among the compared ones
    unreadable: int  # the export says that it can't read them
    not_finite: int  # the export's probabilities hold NaN or infinity
    largest_difference: float  # of any probability of the other examples
    worst: Difference | None  # None if nothing differs
    problem: str | None  # why the answers can't be compared at all
    probability_tolerance: float
    label_margin: float

    @property
    def passed(self) -> bool:
        """Whether the export may be used in the model's stead."""
        return (self.problem is None and self.unreadable == self.not_finite == self.differing_labels == 0
                and self.largest_difference <= self.probability_tolerance)

    def report(self) -> str:
        """Such as ``181 of 181 same label, largest difference 4e-7``."""
        if self.problem is not None:
            return f"not comparable: {self.problem}"
        close = self.examples - self.same_label - self.differing_labels - self.unreadable - self.not_finite
        others = "".join(f", {count:,} {what}" for count, what in (
            (close, "too close to call"), (self.unreadable, "unreadable"), (self.not_finite, "not a number")) if count)
        return (f"{self.same_label:,} of {self.examples:,} same label{others}, "
                f"largest difference {short(self.largest_difference)}")

    def failure(self) -> str:
        """One paragraph on what differs, with the worst example; empty if ``passed``."""
        if self.passed:
            return ""
        if self.problem is not None:
            return f"The export's answers can't be held against the trained model's: {self.problem}."
        found = [f"{count:,} {what}" for count, what in (
            (self.unreadable, "unreadable"), (self.not_finite, "answered with what is not a number"),
            (self.differing_labels, "with another label")) if count]
        if self.largest_difference > self.probability_tolerance:
            found.append(f"a largest difference of {short(self.largest_difference, 3)}")
        return (f"Expected the export to answer with the trained model's labels, and with its probabilities within "
                f"{short(self.probability_tolerance)}, but found, of {self.examples:,} examples, {', '.join(found)}. "
                f"The worst is {self.worst}.")


@dataclass(frozen=True)
class _Rows:
    """Both sides' answers, an example a row; what the export could not answer differs by 0."""

    trained: np.ndarray
    served: np.ndarray
    labels: np.ndarray
    export_labels: np.ndarray
    valid: np.ndarray
    finite: np.ndarray
    differences: np.ndarray  # [n, classes]


def compare(expected: Mapping[str, Any], answers: Mapping[str, Any], class_names: Sequence[str],
            names: Sequence[str], *, probability_tolerance: float = PROBABILITY_TOLERANCE,
            label_margin: float = LABEL_MARGIN) -> Parity:
    """Hold an export's answers against the trained model's, for the examples called ``names``.

    Args:
        expected: ``probabilities`` ``[n, classes]`` of the trained model.
        answers: ``probabilities`` alike; where the export has them, ``labels`` (bytes ``[n, k]``, the likeliest first;
            else the likeliest class is its label) and ``valid`` (bool ``[n]``: it could read the example).

    Raises:
        ValueError: what is expected doesn't fit ``names`` and ``class_names``.
    """
    trained = np.asarray(expected["probabilities"], np.float64)
    if trained.shape != (len(names), len(class_names)):
        raise ValueError(f"expected probabilities [{len(names)}, {len(class_names)}], got {list(trained.shape)}")
    problem = _problem(trained, answers, names)
    if problem is not None:
        return Parity(len(names), 0, 0, 0, 0, 0, 0.0, None, problem, probability_tolerance, label_margin)
    rows = _rows(trained, answers, class_names)
    usable, compared = rows.valid & rows.finite, _margins(trained) > label_margin
    same = usable & (rows.labels == rows.export_labels)
    differing = usable & compared & ~same
    return Parity(len(names), int(same.sum()), int(compared.sum()), int(differing.sum()), int((~rows.valid).sum()),
                  int((rows.valid & ~rows.finite).sum()), float(rows.differences.max()),
                  _worst(rows, differing, class_names, names), None, probability_tolerance, label_margin)


def short(value: float, digits: int = 1) -> str:
    """A number for reading, such as 4e-7 or 0.0213, rounded to its first ``digits``."""
    if value == 0 or value >= 0.001:
        return f"{value:.{max(digits, 2)}g}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"


def _problem(trained: np.ndarray, answers: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Why the answers can't be compared, or None."""
    if not len(names):
        return "there are no examples"
    odd = np.flatnonzero(~np.isfinite(trained).all(axis=1))
    if len(odd):
        return f"the trained model itself answers {names[odd[0]]} with what is not a number"
    shapes = {name: list(np.shape(values)) for name, values in answers.items()}
    if "probabilities" not in answers:
        return f"it gives {', '.join(sorted(answers)) or 'nothing'}, but no probabilities"
    kind = np.asarray(answers["probabilities"]).dtype.kind
    if shapes["probabilities"] != list(trained.shape) or kind not in "biuf":
        return (f"its probabilities are {'numbers' if kind in 'biuf' else 'no numbers'} of shape "
                f"{shapes['probabilities']}, but the trained model's have {list(trained.shape)}")
    if "labels" in answers and (shapes["labels"][:1] != [len(names)] or 0 in shapes["labels"]):
        return f"its labels have the shape {shapes['labels']} for {len(names)} examples"
    if "valid" in answers and shapes["valid"] != [len(names)]:
        return f"its output valid has the shape {shapes['valid']} for {len(names)} examples"
    return None


def _rows(trained: np.ndarray, answers: Mapping[str, Any], class_names: Sequence[str]) -> _Rows:
    served = np.asarray(answers["probabilities"], np.float64)
    valid = np.asarray(answers.get("valid", np.ones(len(trained))), bool)
    finite = np.asarray(np.isfinite(served).all(axis=1))
    if "labels" in answers:
        first = np.asarray(answers["labels"], object).reshape(len(trained), -1)[:, 0]
        export_labels = [label.decode(errors="replace") if isinstance(label, bytes) else str(label) for label in first]
    else:
        export_labels = [class_names[best] for best in np.nan_to_num(served).argmax(axis=1)]
    usable = np.asarray(valid & finite)[:, np.newaxis]
    return _Rows(trained, served, np.array([class_names[best] for best in trained.argmax(axis=1)], object),
                 np.array(export_labels, object), valid, finite,
                 np.abs(trained - np.where(usable, served, trained)))


def _margins(probabilities: np.ndarray) -> np.ndarray:
    """How far apart the two likeliest classes are; of a single class, infinitely."""
    if probabilities.shape[1] < 2:
        return np.full(len(probabilities), np.inf)
    two = np.sort(probabilities, axis=1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0])


def _worst(rows: _Rows, differing: np.ndarray, class_names: Sequence[str], names: Sequence[str]) -> Difference | None:
    """No answer is worse than another label, and that worse than another probability."""
    largest = rows.differences.max(axis=1)
    row = int(np.lexsort((-largest, ~differing, rows.finite, rows.valid))[0])
    why = "can't read it" if not rows.valid[row] else "" if rows.finite[row] else "answers with what is not a number"
    if not (why or differing[row] or largest[row]):
        return None
    label, export_label = rows.labels[row], rows.export_labels[row]
    served = np.nan_to_num(rows.served[row])
    known = class_names.index(export_label) if export_label in class_names else int(served.argmax())
    return Difference(names[row], label, float(rows.trained[row].max()), export_label, float(served[known]),
                      class_names[int(rows.differences[row].argmax())], float(largest[row]), why)
