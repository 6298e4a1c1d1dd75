"""Explanations of a classifier's answers, batch by batch."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpt.data.pipeline_errors import drawn
from tfpt.evaluation.attribution import ClassScores, grad_cam, integrated_gradients
from tfpt.task import BASELINES, GRAD_CAM, INTEGRATED_GRADIENTS, Explanation, Question


def explanations(scores: ClassScores, batches: Iterable[Mapping[str, Any]],
                 question: Question) -> Iterator[Explanation]:
    """One explanation for each example of ``batches``, in order; the attributions of its channels are added up.

    ``batches`` are mappings with the model's one input, levels 0–255 ``[batch, height, width, channels]``, under any
    name, and maybe ``"label"``. Nothing is computed before the first is asked for.

    Raises:
        TrainingFailed: there is too little memory for a single example.
    """
    wanted = -1 if question.class_index is None else question.class_index
    integrates = INTEGRATED_GRADIENTS in question.methods
    look, integrate = grad_cam(scores), integrated_gradients(scores)
    baseline = np.full(scores.input_shape[1:], BASELINES[question.baseline], np.float32)
    from_probabilities = _softmax(look(baseline[None], wanted)[0])[0] if integrates else None
    for batch in drawn(batches):
        inputs = next(value for name, value in batch.items() if name != "label")
        found, coarse_maps = look(inputs, wanted)
        for probabilities, coarse, image in zip(_softmax(found), coarse_maps, inputs, strict=True):
            chosen = int(probabilities.argmax()) if wanted < 0 else wanted
            maps = {GRAD_CAM: coarse} if GRAD_CAM in question.methods else {}
            if from_probabilities is None:
                yield Explanation(probabilities, chosen, maps)
                continue
            fine = integrate(image, baseline, chosen, question.steps).sum(axis=-1)
            yield Explanation(probabilities, chosen, {**maps, INTEGRATED_GRADIENTS: fine},
                              float(fine.sum(dtype=np.float64)), float(from_probabilities[chosen]))


def _softmax(scores: np.ndarray) -> np.ndarray:
    probabilities: np.ndarray = tf.nn.softmax(scores).numpy()
    return probabilities
