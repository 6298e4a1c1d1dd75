"""Validation accuracy by ``augment.views``: what K kept views of an image cost against a fresh one every epoch.

Seeds take turns; each has a split, weights of the head and views of its own. Every job begins with an empty cache. The
data are the bundled digits, thinned, so that augmentation matters; ``none`` trains without it.

    python benchmarks/views.py --out views.json
    python benchmarks/views.py --data /usr/share/datasets/fashion-mnist --flip --validation 0.05 --out views.json
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import tfpt
from tfpt import runtime
from tfpt.config.image_classification import BUNDLED_DIGITS

VIEWS = {"none": {"augment.rotation": 0.0, "augment.zoom": 0.0, "augment.flip": False},
         "1": {"augment.views": 1}, "2": {"augment.views": 2}, "4": {"augment.views": 4}, "8": {"augment.views": 8},
         "fresh": {"augment.views": 0}}


def trained(views: str, seed: int, arguments: argparse.Namespace) -> tuple[float, float]:
    """Validation accuracy of the model that a run keeps, and the job's wall seconds."""
    settings = {"data.path": arguments.data, "data.train_per_class": arguments.train_per_class,
                "data.validation": arguments.validation, "data.test": 0.1, "model.weights": "bundled",
                "freeze.unfreeze": 10, "train.epochs": arguments.epochs, "augment.flip": arguments.flip,
                "augment.rotation": 0.06, "augment.zoom": 0.2, **VIEWS[views]}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TFPT_CACHE"] = f"{folder}/cache"
        began = time.perf_counter()
        run = tfpt.finetune_image(config="image_classification/demo", seed=seed, settings=settings,
                                  run_dir=f"{folder}/run", tensorboard_root=f"{folder}/tensorboard", quiet=True)
        return run.metrics["validation"]["accuracy"], time.perf_counter() - began


def row(views: str, results: list[tuple[float, float]]) -> dict:
    accuracies = [round(accuracy, 4) for accuracy, _ in results]
    return {"views": views, "median": statistics.median(accuracies), "accuracies": accuracies,
            "median_seconds": round(statistics.median(seconds for _, seconds in results), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=BUNDLED_DIGITS)
    parser.add_argument("--train-per-class", type=int, default=30)
    parser.add_argument("--validation", type=float, default=0.5)
    parser.add_argument("--flip", action="store_true")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--views", nargs="*", choices=list(VIEWS), default=list(VIEWS))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    runtime.configure(0, "float32")
    results: dict[str, list[tuple[float, float]]] = {views: [] for views in arguments.views}
    for seed in range(arguments.seeds):
        for views in arguments.views:
            results[views].append(trained(views, seed, arguments))
            accuracy, seconds = results[views][-1]
            print(f"seed {seed}  views {views:>5}  accuracy {accuracy:.4f}  {seconds:.1f} s", flush=True)
    rows = [row(views, values) for views, values in results.items()]
    for found in rows:
        print(json.dumps(found))
    if arguments.out:
        result = {"settings": {**vars(arguments), "out": None}, "environment": runtime.environment(), "rows": rows}
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
