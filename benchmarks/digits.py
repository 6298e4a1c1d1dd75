"""Test accuracy on UCI digits over seeds: the demo recipe beside an SVM on raw pixels, and what the weights are worth.

The SVM (RBF kernel, scikit-learn's defaults) sees the same splits. ``few`` trains on ten images a class: from the
bundled weights (``--unfreeze 10``), and from ``--weights none``, with the same number of epochs.

    python benchmarks/digits.py --out digits.json
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.svm import SVC

import tfpt
from tfpt import runtime
from tfpt.config.image_classification import ImageDataConfig

FEW = {"data.train_per_class": 10, "train.epochs": 40, "model.alpha": 0.35}
SETTINGS = {
    "demo": {"freeze.unfreeze": 10},
    "few images, bundled weights": {**FEW, "freeze.unfreeze": 10},
    "few images, no weights": {**FEW, "model.weights": "none", "freeze.unfreeze": "scratch"},
}


def trained_accuracy(settings: dict, seed: int) -> tuple[float, float]:
    """Test accuracy and wall seconds of the demo recipe with ``settings``."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = tfpt.finetune_image(config="image_classification/demo", seed=seed, settings=settings,
                                  run_dir=f"{folder}/run", tensorboard_root=f"{folder}/tensorboard", quiet=True)
        return run.metrics["test"]["accuracy"], time.perf_counter() - began


def svm_accuracy(seed: int, train_per_class: int | None) -> float:
    """The same splits, 64 grey levels an image."""
    from tfpt.data.image_splits import image_splits

    splits = image_splits(ImageDataConfig(image_size=8, train_per_class=train_per_class), seed)
    flat = {part: np.asarray(getattr(splits, part).pixels).reshape(len(getattr(splits, part)), -1) / 255.0
            for part in ("train", "test")}
    return SVC().fit(flat["train"], splits.train.labels).score(flat["test"], splits.test.labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--settings", nargs="*", choices=sorted(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    runtime.configure(0, "float32")
    rows = []
    for name in arguments.settings:
        results = [trained_accuracy(SETTINGS[name], seed) for seed in range(arguments.seeds)]
        svm = [svm_accuracy(seed, SETTINGS[name].get("data.train_per_class")) for seed in range(arguments.seeds)]
        accuracies = [round(accuracy, 4) for accuracy, _ in results]
        rows.append({"setting": name, "median": statistics.median(accuracies), "accuracies": accuracies,
                     "svm_median": round(statistics.median(svm), 4), "svm": [round(value, 4) for value in svm],
                     "median_seconds": round(statistics.median(seconds for _, seconds in results), 1)})
        print(json.dumps(rows[-1]), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"environment": runtime.environment(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
