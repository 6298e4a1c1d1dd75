"""Fine-tuning with the prefix cache against ``keras.Model.fit`` on a cached ``tf.data`` pipeline, from the files on.

Both read the same JPEG files, decode them, build and trace the same model with the same layers frozen, and train for
the same epochs with validation after each: jobs in one process, alternating, the medians of paired ratios. Loading the
weights is not counted. In every round tfpt does the job twice, on an empty cache and, warm, on what that has left.

    python benchmarks/prefix_cache.py --unfreeze 0 10 30 all --out prefix_cache.json --plot prefix_cache.png
    python benchmarks/prefix_cache.py --growth 1000 4000 16000
"""

import argparse
import gc
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from jpeg_files import write_images
from matplotlib import pyplot
from training_jobs import bare_job, option_parser, write_rows

from tfpt import runtime
from tfpt.config.loading import load_config
from tfpt.registry import get_task

runtime.quiet_tensorflow(own_process=True)

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from tfpt.models.backbone import extract_backbone  # noqa: E402
from tfpt.training.freezing import apply_phase, plan_phases  # noqa: E402
from tfpt.training.loop import Loop  # noqa: E402
from tfpt.training.prefix_cache.costs import multiply_accumulates  # noqa: E402
from tfpt.workflows.plan import make_plan  # noqa: E402

TASK = get_task("image_classification")
COLOURS = ("#b0b0b0", "#1f6fb2", "#7fb3dd")


def config_for(folder: Path, unfreeze: int | str, arguments: argparse.Namespace):
    settings = {"data.path": str(folder / "images"), "model.weights": str(folder / "backbone.keras"),
                "model.alpha": arguments.alpha, "data.image_size": arguments.image_size,
                "freeze.unfreeze": unfreeze, "freeze.head_epochs": 0,
                "freeze.backbone_rate": 1.0, "augment.flip": arguments.flip, "train.batch_size": 32,
                "train.epochs": arguments.epochs, "data.validation": 0.2, "data.test": 0.01,
                "optimizer.learning_rate": 1e-4, "optimizer.schedule": "constant"}
    return TASK.resolve(load_config(TASK.config_class, settings=settings))


def write_backbone(file: Path, alpha: float, image_size: int) -> None:
    """Random weights with the BatchNormalization statistics of random images: activations as large as trained ones.

    With those of a new model, mean 0 and variance 1, hardly anything comes out at the end of a deep network.
    """
    keras.utils.set_random_seed(0)
    model = TASK.build(load_config(TASK.config_class, settings={"model.alpha": alpha, "model.weights": "none"}),
                       {"image_size": image_size, "class_names": ["a", "b"]})
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    model(tf.random.stateless_uniform([32, image_size, image_size, 3], [0, 0], 0, 255), training=True)
    extract_backbone(model).save(file)


def our_job(config) -> dict:
    """Seconds of the whole job, where they went, and the losses."""
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        splits = TASK.sources(config)
        data_seconds = time.perf_counter() - began
        plan = make_plan(TASK, config, splits)
        began += load_weights(config, plan.model)
        state = Loop(bare_job(TASK, config, splits, plan, Path(scratch))).run()
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "data": data_seconds, **state.wall_seconds, "cuts": [c.name for c in plan.cache.cuts],
            "cache_bytes": plan.cache.bytes, "losses": [line["loss"] for line in state.history],
            "suffix_macs": suffix_macs(plan), "train_images": len(splits.train),
            "validation_images": len(splits.validation)}


def suffix_macs(plan) -> int:
    """Multiply-accumulates of one forward pass behind the cut."""
    whole = multiply_accumulates(plan.model.inputs, plan.model.outputs)
    if not plan.cache.cuts:
        return whole
    return whole - multiply_accumulates(plan.model.inputs, plan.cache.cuts[-1].find(plan.model).tensors)


def load_weights(config, model) -> float:
    """Loading the weights is left out on both sides; returns how long it took."""
    began = time.perf_counter()
    TASK.load_weights(config, model)
    return time.perf_counter() - began


def fit_job(config, file_lists) -> dict:
    """The same job as the Keras guide to transfer learning has it: tf.data with cache and prefetch, then fit."""
    began = time.perf_counter()
    keras.utils.set_random_seed(0)
    (train_paths, train_labels), (paths, labels) = file_lists
    size = config.data.image_size

    def load(path, label):
        return tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(path), 3), (size, size)), label

    def dataset(paths, labels):
        return tf.data.Dataset.from_tensor_slices((paths, labels)).map(load, tf.data.AUTOTUNE).cache()

    train = dataset(train_paths, train_labels).shuffle(len(train_paths), seed=0)
    if config.augment.flip:
        flip = keras.layers.RandomFlip("horizontal", seed=0)
        train = train.batch(32).map(lambda images, labels: (flip(images, training=True), labels), tf.data.AUTOTUNE)
    else:
        train = train.batch(32)
    validation = dataset(paths, labels).batch(32).prefetch(tf.data.AUTOTUNE)
    model = TASK.build(config, {"image_size": size, "class_names": ["a"] * (max(train_labels) + 1)})
    began += load_weights(config, model)
    units = TASK.units(model)
    apply_phase(model, units, plan_phases(config.freeze, config.train.epochs, units)[0])
    model.compile(keras.optimizers.Adam(config.optimizer.learning_rate), "sparse_categorical_crossentropy",
                  metrics=["accuracy"])
    history = model.fit(train.prefetch(tf.data.AUTOTUNE), validation_data=validation, epochs=config.train.epochs,
                        verbose=0)
    return {"seconds": time.perf_counter() - began, "losses": history.history["loss"]}


def matmul_macs_per_second() -> float:
    """The machine's peak, from products of 1536² matrices."""
    left = tf.random.stateless_normal([1536, 1536], [0, 1])
    tf.matmul(left, left).numpy()
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        tf.matmul(left, left).numpy()
        seconds.append(time.perf_counter() - began)
    return 1536**3 / min(seconds)


def floor_seconds(ours: dict, epochs: int, peak: float) -> float:
    """The prefix once at its measured speed, the rest at the peak: forward and twice that back, validation forward."""
    passes = epochs * (3 * ours["train_images"] + ours["validation_images"])
    return ours["prefix"] + passes * ours["suffix_macs"] / peak


def compare(unfreeze: int | str, arguments: argparse.Namespace, folder: Path) -> dict:
    config = config_for(folder, unfreeze, arguments)
    splits = TASK.sources(config)
    file_lists = [(list(part.paths), part.labels.tolist()) for part in (splits.train, splits.validation)]
    cache = Path(os.environ["TFPT_CACHE"])
    jobs: dict[str, list[dict]] = {"cold": [], "warm": [], "fit": []}
    peak = matmul_macs_per_second()
    for turn in range(arguments.rounds):
        for name in ("cold", "warm", "fit") if turn % 2 == 0 else ("fit", "cold", "warm"):
            keras.backend.clear_session()
            gc.collect()
            if name == "cold":
                shutil.rmtree(cache, ignore_errors=True)
            jobs[name].append(fit_job(config, file_lists) if name == "fit" else our_job(config))
        print(f"  unfreeze {unfreeze}:", *(f"{name} {done[-1]['seconds']:.1f} s" for name, done in jobs.items()),
              flush=True)
    return summary(unfreeze, arguments, jobs["cold"], jobs["warm"], jobs["fit"], peak)


def ratios_to(fits: list[dict], ours: list[dict]) -> dict:
    ratios = [fit["seconds"] / our["seconds"] for our, fit in zip(ours, fits, strict=True)]
    return {"ratio": round(statistics.median(ratios), 2), "ratios": [round(ratio, 2) for ratio in ratios],
            "seconds": round(statistics.median(our["seconds"] for our in ours), 2)}


def summary(unfreeze: int | str, arguments: argparse.Namespace, ours: list[dict], warm: list[dict], fits: list[dict],
            peak: float) -> dict:
    middle = sorted(ours, key=lambda job: job["seconds"])[len(ours) // 2]
    floor = floor_seconds(middle, arguments.epochs, peak)
    parts = {name: round(middle[name], 2) for name in ("seconds", "data", "prefix", "trace", "train", "validation")}
    return {"unfreeze": unfreeze, "cold": ratios_to(fits, ours), "warm": ratios_to(fits, warm),
            "fit_seconds": round(statistics.median(fit["seconds"] for fit in fits), 2),
            "cold_parts": parts, "cuts": middle["cuts"], "cache_megabytes": round(middle["cache_bytes"] / 1e6, 1),
            "floor_seconds": round(floor, 2), "share_of_floor": round(floor / middle["seconds"], 2),
            "peak_gigamacs_per_second": round(peak / 1e9, 1),
            "last_loss": {"tfpt": round(ours[-1]["losses"][-1], 4), "fit": round(fits[-1]["losses"][-1], 4)}}


def grow(arguments: argparse.Namespace, scratch: Path) -> list[dict]:
    rows = []
    for count in arguments.growth:
        write_images(scratch / "images", count)
        for unfreeze in arguments.unfreeze:
            shutil.rmtree(os.environ["TFPT_CACHE"], ignore_errors=True)
            job = our_job(config_for(scratch, unfreeze, arguments))
            rows.append({"files": count, "unfreeze": unfreeze, **{
                name: round(job[name], 1) for name in ("seconds", "data", "prefix", "trace", "train", "validation")}})
            print(json.dumps(rows[-1]), flush=True)
        shutil.rmtree(scratch / "images")
    return rows


def draw(rows: list[dict], file: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(7, 3.5), layout="constrained")
    places = np.arange(len(rows))
    series = {"fit": [row["fit_seconds"] for row in rows], "tfpt": [row["cold"]["seconds"] for row in rows],
              "tfpt, warm": [row["warm"]["seconds"] for row in rows]}
    for place, (label, seconds) in enumerate(series.items()):
        bars = axes.barh(places + 0.27 * (place - 1), seconds, 0.25, label=label, color=COLOURS[place])
        axes.bar_label(bars, fmt="%.1f s", padding=3, fontsize=8)
    axes.set_yticks(places, [f"unfreeze {row['unfreeze']}: {row['cold']['ratio']:.1f}×" for row in rows])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("seconds from the files to the trained model, median of the rounds")
    axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=120)


def main() -> None:
    parser = option_parser(__doc__, ["0", "10", "30", "all"])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--flip", action="store_true", help="flip at random, on both sides")
    parser.add_argument("--growth", type=int, nargs="*", help="only tfpt, on so many files each")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    runtime.configure(0, "float32")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TFPT_CACHE"] = str(Path(scratch) / "cache")
        write_backbone(Path(scratch) / "backbone.keras", arguments.alpha, arguments.image_size)
        rows = []
        if arguments.growth:
            rows = grow(arguments, Path(scratch))
        else:
            write_images(Path(scratch) / "images", arguments.files)
            for unfreeze in arguments.unfreeze:
                rows.append(compare(unfreeze, arguments, Path(scratch)))
                print(json.dumps(rows[-1]), flush=True)
    write_rows(arguments, rows, environment=runtime.environment())
    if arguments.plot and not arguments.growth:
        draw(rows, arguments.plot)


if __name__ == "__main__":
    main()
