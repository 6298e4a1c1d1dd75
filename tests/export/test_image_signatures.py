"""How an exported image classifier answers: files, pixels, embeddings; broken files; empty batches; any size."""

import numpy as np
import pytest
import tensorflow as tf

from tests.data.image_files import encoded, photo
from tests.workflows.finished_runs import brightness_model
from tfpt.data.decode import resize_image
from tfpt.export.image_signatures import image_classifier_signatures
from tfpt.export.saved_model import traced

NAMES = ["dark", "light"]
SIZE = 32


@pytest.fixture(scope="module")
def model():
    return brightness_model()


@pytest.fixture(scope="module")
def served(model):
    return image_classifier_signatures(model, model.get_layer("head_pool").output, SIZE, NAMES)


@pytest.fixture(scope="module")
def call(served):
    functions = {name: traced(signature) for name, signature in served.signatures.items()}
    return lambda name, **inputs: {output: value.numpy() for output, value in functions[name](**inputs).items()}


def level(value, height=SIZE, width=SIZE):
    return np.full((height, width, 3), value, np.uint8)


def test_files_get_probabilities_and_labels(call, model):
    files = [encoded(level(20), "PNG"), encoded(level(240), "JPEG"), encoded(photo(3), "BMP")]
    answers = call("serving_default", image_bytes=tf.constant(files))
    sized = np.stack([level(20), level(240), resize_image(tf.constant(photo(3)), SIZE).numpy()]).astype(np.float32)
    np.testing.assert_allclose(answers["probabilities"], model(sized, training=False), atol=1e-6)
    assert answers["labels"][:2].tolist() == [[b"dark", b"light"], [b"light", b"dark"]]
    np.testing.assert_array_equal(answers["scores"], -np.sort(-answers["probabilities"], axis=1))
    assert answers["valid"].tolist() == [True] * 3


def test_a_broken_file_fails_its_own_row_alone(call):
    good = encoded(level(20), "PNG")
    answers = call("serving_default", image_bytes=tf.constant([b"<html>", good, good[:40], b""]))
    assert answers["valid"].tolist() == [False, True, False, False]
    assert answers["labels"][1].tolist() == [b"dark", b"light"] and answers["probabilities"][1].sum() == 1
    for output, nothing in {"probabilities": 0, "scores": 0, "labels": b""}.items():
        assert (answers[output][[0, 2, 3]] == nothing).all()


@pytest.mark.parametrize("name", ["serving_default", "features"])
def test_all_broken_is_an_answer_too(call, name):
    answers = call(name, image_bytes=tf.constant([b"no", b"image"]))
    assert not answers["valid"].any() and all(not values.any() for key, values in answers.items() if key != "labels")


def test_an_empty_batch_gives_empty_outputs(call, served):
    for name, signature in served.signatures.items():
        inputs = {"image_bytes": tf.constant([], tf.string)} if "image_bytes" in signature.inputs else {
            "pixels": tf.zeros([0, 50, 40, 3], signature.inputs["pixels"].dtype)}
        for output, values in call(name, **inputs).items():
            assert values.shape == (0, *signature.outputs[output].shape[1:]), (name, output)


def test_shapes_and_types_are_what_the_signature_says(call, served):
    for name, signature in served.signatures.items():
        files = {"image_bytes": tf.constant([encoded(level(9), "PNG")] * 3)}
        inputs = files if "image_bytes" in signature.inputs else {
            "pixels": tf.constant(np.stack([level(9)] * 3).astype(signature.inputs["pixels"].dtype))}
        answers = call(name, **inputs)
        assert list(answers) and set(answers) == set(signature.outputs)
        for output, info in signature.outputs.items():
            assert answers[output].shape == (3, *info.shape[1:])
            assert answers[output].dtype == (object if info.dtype == "bytes" else info.dtype)


@pytest.mark.parametrize(("height", "width"), [(SIZE, SIZE), (50, 41), (8, 8)])
def test_pixels_of_any_size_are_seen_as_training_sees_them(call, model, height, width):
    pixels = np.stack([photo(seed, height, width) for seed in range(2)])
    sized = resize_image(tf.constant(pixels), SIZE).numpy().astype(np.float32)
    wanted = model(sized, training=False)
    for name, kind in (("pixels", np.float32), ("pixels_uint8", np.uint8)):
        answers = call(name, pixels=tf.constant(pixels.astype(kind)))
        np.testing.assert_allclose(answers["probabilities"], wanted, atol=1e-6)


def test_float_pixels_of_the_models_size_are_not_rounded(call, model):
    pixels = np.full((1, SIZE, SIZE, 3), 127.4, np.float32)
    answers = call("pixels", pixels=tf.constant(pixels))
    np.testing.assert_allclose(answers["probabilities"], model(pixels, training=False), atol=1e-6)


def test_features_are_the_embedding(call):
    answers = call("features", image_bytes=tf.constant([encoded(level(255), "PNG"), b"no"]))
    np.testing.assert_allclose(answers["features"], [[1, 1, 1], [0, 0, 0]], atol=1e-6)
    assert answers["valid"].tolist() == [True, False]


def test_no_more_than_five_labels(model):
    import keras

    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    pooled = keras.layers.GlobalAveragePooling2D(name="head_pool")(pixels)
    many = keras.Model(pixels, keras.layers.Dense(9, "softmax")(pooled))
    signatures = image_classifier_signatures(many, pooled, SIZE, [f"class {number}" for number in range(9)]).signatures
    assert signatures["serving_default"].outputs["labels"].shape == (None, 5)
    answers = traced(signatures["pixels"])(pixels=tf.constant(level(3)[None], tf.float32))
    assert answers["labels"].shape == (1, 5) and answers["probabilities"].shape == (1, 9)


def test_class_names_of_any_script_and_with_line_breaks(model):
    served = image_classifier_signatures(model, model.get_layer("head_pool").output, SIZE, ["鳥 🐦", "two\nlines"])
    answers = traced(served.signatures["pixels"])(pixels=tf.constant(level(20)[None], tf.float32))
    assert [name.decode() for name in answers["labels"].numpy()[0]] == ["鳥 🐦", "two\nlines"]
    assert served.assets["labels.txt"] == "鳥 🐦\ntwo lines\n"
