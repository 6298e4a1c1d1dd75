"""Images per second of ordinary training against ``keras.Model.fit``: same model, images, batch and trainable layers.

Both train whole epochs in one process, alternating; the first epoch of each (tracing) is not counted; a figure is the
median of the paired ratios.

    python benchmarks/finetune_image.py --out finetune_image.json
"""

import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from jpeg_files import write_images
from training_jobs import bare_job, option_parser, write_rows

from tfpt import runtime
from tfpt.config.loading import load_config
from tfpt.registry import get_task

runtime.quiet_tensorflow(own_process=True)

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from tfpt.training.freezing import apply_phase  # noqa: E402
from tfpt.training.loop import Loop  # noqa: E402
from tfpt.workflows.plan import make_plan  # noqa: E402


def our_epochs(config, splits, scratch: Path):
    """A function that trains one epoch with tfpt's loop and returns its wall seconds."""
    task = get_task("image_classification")
    plan = make_plan(task, config, splits)
    loop = Loop(bare_job(task, config, splits, plan, scratch))

    def epoch() -> float:
        loop.state.step, loop.state.totals = 0, {}
        loop._phases.enter(loop.state)
        began = time.perf_counter()
        loop._train_epoch()
        return time.perf_counter() - began

    return epoch


def fit_epochs(config, splits):
    """The same for ``Model.fit``, on a ``tf.data`` pipeline from memory as the Keras guides have it."""
    task = get_task("image_classification")
    plan = make_plan(task, config, splits)
    apply_phase(plan.model, plan.units, plan.phases[0])
    model = plan.model
    model.compile(keras.optimizers.Adam(config.optimizer.learning_rate), "sparse_categorical_crossentropy",
                  metrics=["accuracy"])
    images = np.stack([splits.train.load(index) for index in range(len(splits.train))])
    data = tf.data.Dataset.from_tensor_slices((images, splits.train.labels)).shuffle(len(images), seed=0)
    data = data.batch(config.train.batch_size).prefetch(tf.data.AUTOTUNE)

    def epoch() -> float:
        began = time.perf_counter()
        model.fit(data, epochs=1, verbose=0)
        return time.perf_counter() - began

    return epoch


def compare(unfreeze, arguments, folder: Path) -> dict:
    """Alternate the two and report images per second, and the ratio tfpt / fit of every pair."""
    settings = {"data.path": str(folder / "images"), "model.weights": "none", "model.alpha": arguments.alpha,
                "data.image_size": arguments.image_size, "freeze.unfreeze": unfreeze, "freeze.head_epochs": 0,
                "freeze.backbone_rate": 1.0, "augment.flip": False, "train.batch_size": 32,
                "train.checkpoint_seconds": 1e6, "cache.mode": "off", "optimizer.schedule": "constant"}
    task = get_task("image_classification")
    config = task.resolve(load_config(task.config_class, settings=settings))
    config = replace(config, train=replace(config.train, epochs=1))
    splits = task.sources(config)
    ours, fits = our_epochs(config, splits, folder), fit_epochs(config, splits)
    ours(), fits()
    seconds = {"tfpt": [], "fit": []}
    for turn in range(arguments.rounds):
        order = [("tfpt", ours), ("fit", fits)]
        for name, epoch in order if turn % 2 == 0 else order[::-1]:
            seconds[name].append(epoch())
    images = len(splits.train)
    ratios = [fit / our for our, fit in zip(seconds["tfpt"], seconds["fit"])]
    return {"unfreeze": unfreeze, "images": images, "ratio": round(statistics.median(ratios), 3),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "images_per_second": {name: round(images / statistics.median(values), 1)
                                  for name, values in seconds.items()}}


def main() -> None:
    parser = option_parser(__doc__, ["0", "10", "all"])
    parser.add_argument("--images", type=int, default=320)
    arguments = parser.parse_args()
    runtime.configure(0, "float32")
    with tempfile.TemporaryDirectory() as scratch:
        write_images(Path(scratch) / "images", arguments.images)
        rows = []
        for unfreeze in arguments.unfreeze:
            rows.append(compare(unfreeze, arguments, Path(scratch)))
            print(json.dumps(rows[-1]))
    write_rows(arguments, rows, environment=runtime.environment())


if __name__ == "__main__":
    main()
