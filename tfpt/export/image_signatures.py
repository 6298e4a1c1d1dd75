"""How an image classifier is called where it is served: with files, with pixels, for its embedding."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfpt.config.export import SERVING
from tfpt.data.decode import resize_image
from tfpt.data.decode_batch import decode_batch
from tfpt.export.network import Network, constant_network
from tfpt.task import ServedModel, Signature, TensorInfo

MOST_LABELS = 5
FILES = TensorInfo("bytes", (None,), "the bytes of one JPEG, PNG, still GIF or BMP each", "image")
VALID = TensorInfo("bool", (None,), "whether the file could be decoded; if not, its numbers are 0 and its labels empty")
CLIENTS_MUST = (
    "Turn photos upright: the orientation in a JPEG's EXIF is not looked at.",
    "Send CMYK, 16-bit and transparent images, and those with a palette, as 8-bit RGB: they may be decoded to other "
    "pixels than training saw.",
    "Send WebP, TIFF, and of an animation the first frame, as JPEG or PNG: they can't be decoded.",
    "Not resize: that is done here as in training, to a square without cropping.",
)


def image_classifier_signatures(model: keras.Model, features: Any, image_size: int,
                                class_names: Sequence[str]) -> ServedModel:
    """The signatures of a model from float32 pixels 0–255 ``[batch, size, size, 3]`` to class probabilities.

    ``features`` is the KerasTensor of its embedding, ``[batch, width]``. Raises ExportError: the model is too large.
    """
    network = constant_network(model, {"probabilities": model.outputs[0], "features": features})
    answers, embedding = _answer_info(len(class_names)), {"features": _embedding_info(features)}
    names = tf.constant([name.encode() for name in class_names])

    def from_pixels(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return _answers(network(_sized(pixels, image_size))["probabilities"], names)

    def from_files(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels, valid = decode_batch(image_bytes, image_size)
        return {**_answers(network(pixels)["probabilities"], names, valid), "valid": valid}

    def features_from_files(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels, valid = decode_batch(image_bytes, image_size)
        return {"features": _where(valid, network(pixels)["features"]), "valid": valid}

    files = {"image_bytes": FILES}
    return ServedModel(
        signatures={
            SERVING: Signature("image files to labels", files, {**answers, "valid": VALID}, from_files),
            "pixels": Signature("pixels to labels", _pixels_info("float32"), answers, from_pixels),
            "pixels_uint8": Signature("the same, a quarter of the bytes to send", _pixels_info("uint8"), answers,
                                      from_pixels),
            "features": Signature("image files to embeddings", files, {**embedding, "valid": VALID},
                                  features_from_files)},
        network=_network_signature(network, image_size, len(class_names), embedding),
        beyond_network=f"decoding image files to upright 8-bit RGB; resizing to {image_size} x {image_size} pixels "
                       f"without cropping, bilinear with antialiasing (tf.image.resize; Pillow's BILINEAR is close, "
                       f"its default is not), in whole levels; and naming the classes, as labels.txt has them",
        clients_must=CLIENTS_MUST,
        assets={"labels.txt": "".join(f"{' '.join(name.splitlines())}\n" for name in class_names)})


def _answers(probabilities: tf.Tensor, names: tf.Tensor, valid: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
    scores, best = tf.math.top_k(probabilities, min(MOST_LABELS, names.shape[0]))
    answers = {"probabilities": probabilities, "labels": tf.gather(names, best), "scores": scores}
    return answers if valid is None else {name: _where(valid, value) for name, value in answers.items()}


def _where(valid: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    return tf.where(valid[:, tf.newaxis], rows, tf.zeros([], rows.dtype))  # a string's zero is empty


def _sized(pixels: tf.Tensor, size: int) -> tf.Tensor:
    """Images of that size as they are; others, in whole levels, as training resizes them. float32."""
    def resized() -> tf.Tensor:
        levels = tf.clip_by_value(tf.round(tf.cast(pixels, tf.float32)), 0, 255)
        return tf.cast(resize_image(tf.cast(levels, tf.uint8), size), tf.float32)

    shape = tf.shape(pixels)
    sized = tf.case([(tf.equal(shape[0], 0), lambda: tf.zeros([0, size, size, 3])),
                     (tf.reduce_all(shape[1:3] == size), lambda: tf.cast(pixels, tf.float32))], default=resized)
    return tf.ensure_shape(sized, [None, size, size, 3])


def _answer_info(classes: int) -> dict[str, TensorInfo]:
    most = min(MOST_LABELS, classes)
    return {"probabilities": TensorInfo("float32", (None, classes), "of each class, in the order of labels.txt"),
            "labels": TensorInfo("bytes", (None, most), f"the {most} likeliest classes, the likeliest first"),
            "scores": TensorInfo("float32", (None, most), "their probabilities")}


def _embedding_info(features: Any) -> TensorInfo:
    return TensorInfo("float32", tuple(features.shape), "what the backbone gives, averaged over the image")


def _pixels_info(dtype: str) -> dict[str, TensorInfo]:
    return {"pixels": TensorInfo(dtype, (None, None, None, 3), "RGB levels from 0 to 255, images of one size")}


def _network_signature(network: Network, image_size: int, classes: int,
                       embedding: Mapping[str, TensorInfo]) -> Signature:
    pixels = TensorInfo("float32", (None, image_size, image_size, 3), "RGB levels from 0 to 255, of this very size")
    return Signature("pixels of the model's size to probabilities and embedding", {"pixels": pixels},
                     {"probabilities": _answer_info(classes)["probabilities"], **embedding},
                     lambda pixels: network.of_rows(pixels))
