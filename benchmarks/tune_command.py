"""A grid of learning rates and depths with plain KerasTuner and ``fit``: the peer of ``tfpt tune``, uses none of tfpt.

It reads a folder with a folder per class, splits it at random, and trains a model for every combination on a cached
``tf.data`` pipeline that all trials share.

    python benchmarks/tune_command.py photos/ backbone.keras --unfreeze 0 5 10 20 --rates 1e-4 1e-3
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import keras_tuner  # noqa: E402
import tensorflow as tf  # noqa: E402
from fit_command import build_model, read_parts  # noqa: E402

SIZE = 224


def build(hp: keras_tuner.HyperParameters, arguments: argparse.Namespace, classes: int) -> keras.Model:
    backbone = keras.saving.load_model(arguments.backbone, compile=False)
    return build_model(backbone, hp.Choice("unfreeze", arguments.unfreeze), classes, hp.Choice("rate", arguments.rates))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("backbone", type=Path)
    parser.add_argument("--unfreeze", type=int, nargs="+", default=[0, 5, 10, 20])
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-4, 1e-3])
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    (train, validation, _), train_images, names = read_parts(arguments.folder, SIZE)
    train = train.shuffle(train_images, seed=0).batch(32).prefetch(tf.data.AUTOTUNE)
    validation = validation.batch(32).prefetch(tf.data.AUTOTUNE)
    with tempfile.TemporaryDirectory() as scratch:
        tuner = keras_tuner.GridSearch(lambda hp: build(hp, arguments, len(names)), objective="val_accuracy",
                                       directory=scratch, project_name="search")
        tuner.search(train, validation_data=validation, epochs=arguments.epochs, verbose=0)
        best = tuner.oracle.get_best_trials(1)[0]
    print(f"{len(tuner.oracle.trials)} trials, best {best.hyperparameters.values} {best.score:.4f}")


if __name__ == "__main__":
    main()
