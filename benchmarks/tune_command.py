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
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

SIZE = 224


def read_parts(folder: Path, sizes: list[float]) -> tuple[list[tf.data.Dataset], int]:
    """Training and validation images, decoded once and cached, and the number of classes."""
    paths = sorted(folder.glob("*/*.jpg"))
    names = sorted({path.parent.name for path in paths})
    labels = np.array([names.index(path.parent.name) for path in paths])
    order = np.random.default_rng(0).permutation(len(paths))
    parts = np.split(order, (np.cumsum(sizes) * len(paths)).astype(int))[:2]

    def load(path, label):
        return tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(path), 3), (SIZE, SIZE)), label

    files = [tf.data.Dataset.from_tensor_slices(([str(paths[i]) for i in part], labels[part])) for part in parts]
    train, validation = (part.map(load, tf.data.AUTOTUNE).cache() for part in files)
    train = train.shuffle(len(parts[0]), seed=0)
    return [part.batch(32).prefetch(tf.data.AUTOTUNE) for part in (train, validation)], len(names)


def build(hp: keras_tuner.HyperParameters, arguments: argparse.Namespace, classes: int) -> keras.Model:
    backbone = keras.saving.load_model(arguments.backbone, compile=False)
    layers = [layer for layer in backbone.layers
              if not isinstance(layer, (keras.layers.InputLayer, keras.layers.Rescaling))]
    unfrozen = hp.Choice("unfreeze", arguments.unfreeze)
    for place, layer in enumerate(layers):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = place >= len(layers) - unfrozen and not is_norm
    x = keras.layers.GlobalAveragePooling2D()(backbone.output)
    x = keras.layers.Dropout(0.2)(x)
    x = keras.layers.Dense(128, "relu")(x)
    model = keras.Model(backbone.input, keras.layers.Dense(classes, "softmax")(x))
    model.compile(keras.optimizers.Adam(hp.Choice("rate", arguments.rates)), "sparse_categorical_crossentropy",
                  metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("backbone", type=Path)
    parser.add_argument("--unfreeze", type=int, nargs="+", default=[0, 5, 10, 20])
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-4, 1e-3])
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    (train, validation), classes = read_parts(arguments.folder, [0.7, 0.15])
    with tempfile.TemporaryDirectory() as scratch:
        tuner = keras_tuner.GridSearch(lambda hp: build(hp, arguments, classes), objective="val_accuracy",
                                       directory=scratch, project_name="search")
        tuner.search(train, validation_data=validation, epochs=arguments.epochs, verbose=0)
        best = tuner.oracle.get_best_trials(1)[0]
    print(f"{len(tuner.oracle.trials)} trials, best {best.hyperparameters.values} {best.score:.4f}")


if __name__ == "__main__":
    main()
