from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.data.image_files import photo, save_photo, source_in_memory
from tfpt.config.image_classification import AugmentConfig, RandAugmentConfig
from tfpt.data import image_pipeline
from tfpt.data.augmentation import augment_image, effective_views
from tfpt.data.decode import resize_image
from tfpt.data.image_pipeline import eval_batches, first_training_images, train_batches
from tfpt.data.held_pixels import HeldPixels
from tfpt.data.mixing import mix_images
from tfpt.data.order import epoch_order, view_numbers
from tfpt.data.source import ImageSource
from tfpt.data.stateless import stateless_seed

AUGMENTS = {"none": AugmentConfig(flip=False), "flip": AugmentConfig(), "fresh flip": AugmentConfig(views=0),
            "all": AugmentConfig(rotation=0.1, zoom=0.2, contrast=0.3, views=3,
                                 randaugment=RandAugmentConfig(operations=2), erasing=0.5)}
MIXED = AugmentConfig(views=0, mixup=0.4, cutmix=1.0)
SIZE = 8


@pytest.fixture
def stored(tmp_path) -> ImageSource:
    """The same images as files only."""
    paths = tuple(str(save_photo(tmp_path / f"{i}.png", i)) for i in range(7))
    memory = source_in_memory(7)
    return ImageSource(memory.labels, memory.names, memory.hashes, paths=paths)


def held(stored: ImageSource) -> ImageSource:
    return replace(stored, pixels=HeldPixels(np.stack([resize_image(photo(i, 9, 12), SIZE) for i in range(7)])))


def collected(dataset: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray, list[int]]:
    batches = list(dataset.as_numpy_iterator())
    return (np.concatenate([batch["image"] for batch in batches]),
            np.concatenate([batch["label"] for batch in batches]), [len(batch["label"]) for batch in batches])


def epoch_of(source, augment, epoch=1, first_step=0, batch_size=3):
    return train_batches(source, image_size=SIZE, augment=augment, seed=5, data_seed=5, epoch=epoch,
                         first_step=first_step, batch_size=batch_size)


@pytest.mark.parametrize("name", AUGMENTS)
def test_an_epoch_is_its_order_and_its_views(stored, name):
    source, augment = held(stored), AUGMENTS[name]
    images, labels, sizes = collected(epoch_of(source, augment))
    assert sizes == [3, 3, 1]
    order = epoch_order(7, 5, 1)
    views = view_numbers(source.example_ids, 5, 1, effective_views(augment))
    assert np.array_equal(labels, source.labels[order])
    for image, i in zip(images, order):
        example_id, view = tf.constant(source.example_ids[i]), tf.constant(views[i])
        expected = augment_image(source.pixels[i], example_id, view, augment, 5)
        assert np.array_equal(image, expected)


@pytest.mark.parametrize("name", AUGMENTS)
def test_threads_batches_and_where_it_starts_change_nothing(stored, name, monkeypatch):
    augment = AUGMENTS[name]
    images, labels, _ = collected(epoch_of(stored, augment))
    resumed, resumed_labels, sizes = collected(epoch_of(stored, augment, first_step=2))
    assert sizes == [1] and np.array_equal(resumed, images[6:]) and np.array_equal(resumed_labels, labels[6:])
    for parallel_calls, batch_size, source in ((1, 3, stored), (7, 2, stored), (3, 7, held(stored))):
        monkeypatch.setattr(image_pipeline, "_PARALLEL_CALLS", parallel_calls)
        again, labels_again, _ = collected(epoch_of(source, augment, batch_size=batch_size))
        assert np.array_equal(again, images) and np.array_equal(labels_again, labels)


def test_epochs_differ_and_share_one_element_spec(stored):
    specs = [epoch_of(source, augment, epoch).element_spec for source in (stored, held(stored))
             for augment in AUGMENTS.values() for epoch in (1, 2)]
    expected = {"image": tf.TensorSpec((None, SIZE, SIZE, 3), tf.uint8), "label": tf.TensorSpec((None,), tf.int32)}
    assert all(spec == expected for spec in specs)
    assert eval_batches(stored, image_size=SIZE, batch_size=2).element_spec == expected
    first, second = (collected(epoch_of(stored, AUGMENTS["all"], epoch))[0] for epoch in (1, 2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("where", ["files", "memory"])
def test_mixed_epochs_are_the_plain_ones_mixed_by_seed_epoch_and_step(stored, where):
    source = stored if where == "files" else held(stored)
    plain = list(epoch_of(source, AUGMENTS["fresh flip"], epoch=2).as_numpy_iterator())
    for first_step in (0, 2, 3):
        found = list(epoch_of(source, MIXED, epoch=2, first_step=first_step).as_numpy_iterator())
        assert len(found) == 3 - first_step
        for step, batch in enumerate(found, first_step):
            seed = stateless_seed(5, -1, 2, step)
            expected = mix_images(tf.constant(plain[step]["image"]), tf.constant(plain[step]["label"]), seed, MIXED)
            assert set(batch) == set(expected)
            assert all(np.array_equal(batch[name], expected[name]) for name in expected)


def test_mixed_batches_say_what_is_in_them_and_count_as_before(stored):
    batches = epoch_of(stored, MIXED, first_step=1)
    assert int(batches.cardinality()) == 2
    assert batches.element_spec == epoch_of(held(stored), MIXED, epoch=2).element_spec == {
        "image": tf.TensorSpec((None, SIZE, SIZE, 3), tf.uint8), "label": tf.TensorSpec((None,), tf.int32),
        "other_label": tf.TensorSpec((None,), tf.int32), "share": tf.TensorSpec((None,), tf.float32)}
    assert set(eval_batches(stored, image_size=SIZE, batch_size=2).element_spec) == {"image", "label"}


def test_a_step_past_the_end_gives_an_empty_epoch(stored):
    assert list(epoch_of(stored, AUGMENTS["all"], first_step=3)) == []
    assert epoch_of(stored, AUGMENTS["all"], first_step=3).element_spec["image"].shape == (None, SIZE, SIZE, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_evaluation_goes_in_order_and_resizes_what_is_held_at_another_size(stored, channels):
    source = source_in_memory(5, size=6, channels=channels)
    images, labels, sizes = collected(eval_batches(source, image_size=SIZE, batch_size=2))
    assert sizes == [2, 2, 1] and np.array_equal(labels, source.labels)
    assert np.array_equal(images, np.stack([resize_image(image, SIZE) for image in source.pixels]))
    files, _, _ = collected(eval_batches(stored, image_size=SIZE, batch_size=4))
    assert np.array_equal(files, held(stored).pixels)


@pytest.mark.parametrize("name", ["none", "flip", "fresh flip"])
def test_images_in_memory_are_gathered_and_flipped_a_batch_at_a_time(stored, name, monkeypatch):
    """What makes it tens of thousands of images a second: nothing in Python or TensorFlow runs once per image."""
    ranks = []

    def watched(function):
        return lambda images, *rest: ranks.append(len(images.shape)) or function(images, *rest)

    for function in ("augment_image", "flip_images", "resize_image"):
        monkeypatch.setattr(image_pipeline, function, watched(getattr(image_pipeline, function)))
    source = held(stored)
    assert collected(epoch_of(source, AUGMENTS[name]))[2] == [3, 3, 1]
    assert ranks == ([4] if name == "none" else [4, 4])
    tensor = source.held.tensor
    collected(epoch_of(source, AUGMENTS[name], epoch=2))
    assert source.held.tensor is tensor


@pytest.mark.parametrize("augment", [*AUGMENTS.values(), MIXED], ids=[*AUGMENTS, "mixed"])
def test_the_first_training_images_are_those_of_the_first_batches(stored, augment):
    for source in (stored, held(stored)):
        shown = first_training_images(source, image_size=SIZE, augment=augment, seed=5, data_seed=5, count=7)
        batches = list(epoch_of(source, augment, batch_size=5).as_numpy_iterator())
        assert len(batches) == 2 and shown.keys() == batches[0].keys() and shown["image"].dtype == np.uint8
        for name, column in shown.items():
            assert np.array_equal(column, np.concatenate([batch[name] for batch in batches])), name
