"""Fine-tunes MobileNetV2 as a script after the Keras guide to transfer learning does: the peer of whole commands.

It reads a folder with a folder per class, splits it at random, trains with ``fit`` on a cached ``tf.data`` pipeline,
evaluates on a test part and saves the model. It uses nothing of tfpt.

    python benchmarks/fit_command.py photos/ backbone.keras --unfreeze 10
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def read_parts(folder: Path, size: int) -> tuple[list[tf.data.Dataset], int, list[str]]:
    """Train, validation and test part as cached pipelines of images, how many train, and the classes' names."""
    paths = sorted(folder.glob("*/*.jpg"))
    names = sorted({path.parent.name for path in paths})
    labels = np.array([names.index(path.parent.name) for path in paths])
    order = np.random.default_rng(0).permutation(len(paths))
    parts = np.split(order, [int(0.7 * len(paths)), int(0.85 * len(paths))])

    def load(path, label):
        return tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(path), 3), (size, size)), label

    def dataset(part):
        files = tf.data.Dataset.from_tensor_slices(([str(paths[i]) for i in part], labels[part]))
        return files.map(load, tf.data.AUTOTUNE).cache()

    return [dataset(part) for part in parts], len(parts[0]), names


def build_model(backbone: keras.Model, unfreeze: str | int, classes: int, rate: float = 1e-4) -> keras.Model:
    """Head on top, all but the last ``unfreeze`` layers frozen, BatchNormalization too; compiled."""
    layers = [layer for layer in backbone.layers if layer.weights or not isinstance(layer, keras.layers.InputLayer)]
    layers = [layer for layer in layers if not isinstance(layer, keras.layers.Rescaling)]
    unfrozen = len(layers) if unfreeze == "all" else int(unfreeze)
    for place, layer in enumerate(layers):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = place >= len(layers) - unfrozen and not is_norm
    x = keras.layers.GlobalAveragePooling2D()(backbone.output)
    x = keras.layers.Dropout(0.2)(x)
    x = keras.layers.Dense(128, "relu")(x)
    model = keras.Model(backbone.input, keras.layers.Dense(classes, "softmax")(x))
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("backbone", type=Path)
    parser.add_argument("--unfreeze", default="0")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--out", type=Path, default=Path("fit_model.keras"))
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    (train, validation, test), train_images, names = read_parts(arguments.folder, arguments.image_size)
    backbone = keras.saving.load_model(arguments.backbone, compile=False)
    model = build_model(backbone, arguments.unfreeze, len(names))
    train = train.shuffle(train_images, seed=0).batch(32).prefetch(tf.data.AUTOTUNE)
    validation = validation.batch(32).prefetch(tf.data.AUTOTUNE)
    model.fit(train, validation_data=validation, epochs=arguments.epochs, verbose=0)
    loss, accuracy = model.evaluate(test.batch(32), verbose=0)
    model.save(arguments.out)
    print(f"test loss {loss:.3f} accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
