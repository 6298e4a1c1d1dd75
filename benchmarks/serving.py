"""Images per second of the exported graph against ``keras.Model.predict`` on the same pixels.

Both answer in one process, alternating: the export's ``pixels`` signature, a call per batch, and one ``predict`` of
all images in batches of that size, which spares it its start-up per call. The first turn of each (tracing) is not
counted; a figure is the median of the paired ratios. The export's answers are held against those of ``predict`` first.

    python benchmarks/serving.py --out serving.json
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from training_jobs import write_rows

from tfpt import runtime

runtime.quiet_tensorflow(own_process=True)

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from tfpt.config.image_classification import ImageModelConfig  # noqa: E402
from tfpt.export.image_signatures import image_classifier_signatures  # noqa: E402
from tfpt.export.saved_model import write_saved_model  # noqa: E402
from tfpt.models.classifier import build_classifier  # noqa: E402

IMAGES = {1: 100, 32: 320}
CLASSES = 10


def trained_looking_model(alpha: float, image_size: int) -> keras.Model:
    """Random weights; BatchNormalization's statistics aren't 0 and 1, so that folding it has something to do."""
    model = build_classifier(ImageModelConfig(alpha=alpha, weights="none"), image_size, CLASSES)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(random.normal(0, 0.1, layer.moving_mean.shape))
            layer.moving_variance.assign(random.uniform(0.5, 1.5, layer.moving_variance.shape))
    return model


def exported(model: keras.Model, image_size: int, folder: Path) -> Callable[[np.ndarray, int], np.ndarray]:
    """The probabilities of images, asked for in batches of a size from an export that was written and loaded."""
    served = image_classifier_signatures(model, model.get_layer("head_pool").output, image_size,
                                         [str(number) for number in range(CLASSES)])
    write_saved_model(served, folder)
    pixels = tf.saved_model.load(str(folder)).signatures["pixels"]

    def answer(images: np.ndarray, batch_size: int) -> np.ndarray:
        return np.concatenate([pixels(pixels=tf.constant(images[first:first + batch_size]))["probabilities"].numpy()
                               for first in range(0, len(images), batch_size)])

    return answer


def compare(answer: Callable[[np.ndarray, int], np.ndarray], model: keras.Model, images: np.ndarray, batch_size: int,
            rounds: int) -> dict:
    """Alternate the two and report images per second, and the ratio export / predict of every pair."""
    arms = {"export": lambda: answer(images, batch_size),
            "predict": lambda: model.predict(images, batch_size=batch_size, verbose=0)}
    difference = float(np.abs(arms["export"]() - arms["predict"]()).max())
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(rounds):
        for name in sorted(arms, reverse=turn % 2 == 1):
            began = time.perf_counter()
            arms[name]()
            seconds[name].append(time.perf_counter() - began)
    ratios = [theirs / ours for ours, theirs in zip(seconds["export"], seconds["predict"])]
    return {"batch_size": batch_size, "images": len(images), "ratio": round(statistics.median(ratios), 2),
            "ratios": [round(ratio, 2) for ratio in ratios], "largest_difference": difference,
            "images_per_second": {name: round(len(images) / statistics.median(values), 1)
                                  for name, values in seconds.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, nargs="+", default=sorted(IMAGES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    runtime.configure(0, "float32")
    model = trained_looking_model(arguments.alpha, arguments.image_size)
    side = arguments.image_size
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        answer = exported(model, side, Path(scratch) / "1")
        for batch_size in arguments.batch_size:
            count = IMAGES.get(batch_size, 10 * batch_size)
            images = np.random.default_rng(1).integers(0, 256, (count, side, side, 3)).astype(np.float32)
            rows.append(compare(answer, model, images, batch_size, arguments.rounds))
            print(json.dumps(rows[-1]))
    write_rows(arguments, rows, environment=runtime.environment())


if __name__ == "__main__":
    main()
