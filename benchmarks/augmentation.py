"""What each augmentation costs in images per second of the input pipeline, and what it does to validation accuracy.

Speed: one epoch of batches of 32 from photo-like images in memory, without training; rounds take turns, the median
counts. Beside it the processor's time for each image, which other work on the machine changes less. Accuracy: the
bundled digits, thinned, trained with a fresh view of each image in every epoch; seeds take turns, each has a split,
weights of the head and views of its own, and every job an empty cache. No flips: they are digits.

    python benchmarks/augmentation.py speed --size 224 --out speed.json
    python benchmarks/augmentation.py accuracy --out accuracy.json
"""

import argparse
import hashlib
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from jpeg_files import write_images
from PIL import Image

import tfpt
from tfpt import runtime
from tfpt.config.image_classification import BUNDLED_DIGITS, AugmentConfig, ImageClassificationConfig
from tfpt.config.loading import with_values

SETTINGS: dict[str, dict[str, Any]] = {
    "none": {}, "rotation and zoom": {"augment.rotation": 0.06, "augment.zoom": 0.2},
    "RandAugment 2, 9": {"augment.randaugment.operations": 2}, "erasing 0.5": {"augment.erasing": 0.5},
    "RandAugment and erasing": {"augment.randaugment.operations": 2, "augment.erasing": 0.5},
    "mixup 0.2": {"augment.mixup": 0.2}, "CutMix 1": {"augment.cutmix": 1.0},
    "mixup and CutMix": {"augment.mixup": 0.2, "augment.cutmix": 1.0},
    "focal loss 2": {"loss.focal_gamma": 2.0}}
OF_THE_LOSS = ("focal loss 2",)


def augment_of(name: str) -> AugmentConfig:
    settings = {"augment.flip": False, "augment.views": 0, **SETTINGS[name]}
    return with_values(ImageClassificationConfig(), settings, "here").augment


def held_images(count: int, size: int) -> Any:
    """A source of decoded images."""
    from tfpt.data.held_pixels import HeldPixels
    from tfpt.data.source import ImageSource

    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), count, width=size, height=size)
        pixels = np.stack([np.asarray(Image.open(path)) for path in sorted(Path(folder).rglob("*.jpg"))])
    hashes = tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in pixels)
    return ImageSource(np.arange(count, dtype=np.int32) % 5, tuple(map(str, range(count))), hashes,
                       pixels=HeldPixels(pixels))


def epoch_speed(source: Any, name: str, size: int, epoch: int) -> tuple[float, float]:
    """Images per second, and milliseconds of all threads per image, of an epoch from its second batch on: the first one
    waits until the pipeline is set up.
    """
    from tfpt.data.image_pipeline import train_batches

    batches = iter(train_batches(source, image_size=size, augment=augment_of(name), seed=0, data_seed=0, epoch=epoch,
                                 first_step=0, batch_size=32))
    first = len(next(batches)["label"])
    began, worked = time.perf_counter(), time.process_time()
    count = sum(len(batch["label"]) for batch in batches)
    assert first + count == len(source)
    return count / (time.perf_counter() - began), 1000 * (time.process_time() - worked) / count


def measure_speed(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    source = held_images(arguments.images, arguments.size)
    speeds: dict[str, list[tuple[float, float]]] = {name: [] for name in SETTINGS if name not in OF_THE_LOSS}
    for epoch in range(1, arguments.rounds + 1):
        for name, found in speeds.items():
            found.append(epoch_speed(source, name, arguments.size, epoch))
    return [{"setting": name, "images_per_second": round(statistics.median(rate for rate, _ in found)),
             "rounds": [round(rate) for rate, _ in found],
             "processor_ms_per_image": round(statistics.median(work for _, work in found), 3)}
            for name, found in speeds.items()]


def accuracy(name: str, seed: int, arguments: argparse.Namespace) -> float:
    """Of the model that a run keeps, on its validation images."""
    settings = {"data.path": BUNDLED_DIGITS, "data.train_per_class": arguments.train_per_class,
                "data.validation": 0.5, "data.test": 0.1, "model.weights": "bundled", "freeze.unfreeze": 10,
                "train.epochs": arguments.epochs, "augment.flip": False, "augment.views": 0, "augment.rotation": 0.0,
                "augment.zoom": 0.0, **SETTINGS[name]}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TFPT_CACHE"] = f"{folder}/cache"
        run = tfpt.finetune_image(config="image_classification/demo", seed=seed, settings=settings,
                                  run_dir=f"{folder}/run", tensorboard_root=f"{folder}/tensorboard", quiet=True)
        return run.metrics["validation"]["accuracy"]


def measure_accuracy(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    results: dict[str, list[float]] = {name: [] for name in arguments.settings}
    for seed in range(arguments.seeds):
        for name, found in results.items():
            began = time.perf_counter()
            found.append(round(accuracy(name, seed, arguments), 4))
            print(f"seed {seed}  {name:>24}  accuracy {found[-1]:.4f}  {time.perf_counter() - began:.1f} s", flush=True)
    return [{"setting": name, "median": statistics.median(found), "accuracies": found}
            for name, found in results.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "accuracy"])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--train-per-class", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--settings", nargs="*", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    runtime.configure(0, "float32")
    rows = measure_speed(arguments) if arguments.what == "speed" else measure_accuracy(arguments)
    for row in rows:
        print(json.dumps(row))
    if arguments.out:
        result = {"settings": {**vars(arguments), "out": None}, "environment": runtime.environment(), "rows": rows}
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
