"""Test accuracy of a recipe over seeds, each with a split of its own: what stands in the recipes' first lines.

    python benchmarks/recipes.py mnist_5000 --out mnist_5000.json
    python benchmarks/recipes.py fashion_mnist_1000
    python benchmarks/recipes.py photos --set data.path=data/stamps --set model.weights=bundled --set model.alpha=0.35
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import yaml

import tfpt
from tfpt import runtime


def measured(recipe: str, settings: dict, seed: int) -> tuple[float, float]:
    """Test accuracy and wall seconds of one run."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = tfpt.finetune_image(config=f"image_classification/{recipe}", seed=seed, settings=settings,
                                  run_dir=f"{folder}/run", tensorboard_root=f"{folder}/tensorboard", quiet=True)
        return run.metrics["test"]["accuracy"], time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    settings = {name: yaml.safe_load(value) for name, value in (pair.split("=", 1) for pair in arguments.set)}
    results = [measured(arguments.recipe, settings, seed) for seed in range(arguments.seeds)]
    accuracies = [round(accuracy, 4) for accuracy, _ in results]
    row = {"recipe": arguments.recipe, "settings": settings, "median": statistics.median(accuracies),
           "accuracies": accuracies, "median_seconds": round(statistics.median(seconds for _, seconds in results), 1),
           "environment": runtime.environment()}
    print(json.dumps(row))
    if arguments.out:
        arguments.out.write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
