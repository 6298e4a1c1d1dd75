import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.data.image_files import photo
from tfpt.config.image_classification import AugmentConfig, RandAugmentConfig
from tfpt.data import augmentation, randaugment
from tfpt.data.augmentation import (
    PLAIN_VIEW, augment_image, effective_views, flip_images, is_batchable, is_identity, view_text)

IMAGE = photo(height=24, width=24)
OFF = AugmentConfig(flip=False)
EACH = {"rotation": AugmentConfig(flip=False, rotation=0.2), "zoom": AugmentConfig(flip=False, zoom=0.4),
        "contrast": AugmentConfig(flip=False, contrast=0.5),
        "randaugment": AugmentConfig(flip=False, randaugment=RandAugmentConfig(operations=3)),
        "erasing": AugmentConfig(flip=False, erasing=1.0),
        "all": AugmentConfig(rotation=0.2, zoom=0.3, contrast=0.4, randaugment=RandAugmentConfig(operations=2),
                             erasing=1.0)}
MIXED = AugmentConfig(flip=False, mixup=0.2, cutmix=1.0)


def augmented(example_id, view, augment, seed=0, image=IMAGE):
    return augment_image(image, tf.constant(example_id, tf.int64), tf.constant(view, tf.int64), augment, seed).numpy()


def test_effective_views():
    assert [effective_views(AugmentConfig(views=views)) for views in (0, 1, 2, 3, 9)] == [0, 1, 2, 2, 2]
    assert [effective_views(AugmentConfig(views=views, zoom=0.1)) for views in (0, 1, 9)] == [0, 1, 9]
    assert [effective_views(AugmentConfig(flip=False, views=views)) for views in (0, 1, 9)] == [1, 1, 1]
    assert is_identity(OFF) and is_identity(AugmentConfig(views=1)) and not is_identity(AugmentConfig(views=0))
    assert is_batchable(AugmentConfig()) and not any(is_batchable(each) for each in EACH.values())
    assert effective_views(EACH["randaugment"]) == effective_views(EACH["erasing"]) == 4


def test_what_is_switched_off_makes_no_view():
    off = AugmentConfig(randaugment=RandAugmentConfig(operations=0, magnitude=3.0), erasing=0.0)
    assert is_batchable(off) and effective_views(off) == 2 and view_text(off, 0, 0) == PLAIN_VIEW


def test_mixing_is_no_part_of_a_view():
    assert is_identity(MIXED) and view_text(MIXED, 0, 0) == view_text(OFF, 0, 0)
    assert np.array_equal(augmented(0, 0, MIXED), IMAGE)


def test_the_text_of_a_view_differs_where_its_pixels_do():
    several = [AugmentConfig(randaugment=RandAugmentConfig(*values)) for values in ((1, 9.0), (2, 9.0), (2, 8.0))]
    several += [AugmentConfig(erasing=probability) for probability in (0.3, 0.5)]
    several += EACH.values()
    texts = [view_text(augment, seed, view) for augment in several for seed in (0, 1) for view in (0, 1)]
    assert len(set(texts)) == len(texts) == 4 * 11
    assert view_text(AugmentConfig(zoom=0.1), 2, 3) == "flip True (('zoom', 0.1),) seed 2 view 3"  # as in old caches


def test_randaugment_and_erasing_come_last():
    """What was erased stays as it is; the other operations are those that there would be without."""
    before = augmented(3, 1, AugmentConfig(rotation=0.2, randaugment=RandAugmentConfig(operations=2)))
    after = augmented(3, 1, AugmentConfig(rotation=0.2, randaugment=RandAugmentConfig(operations=2), erasing=1.0))
    kept = (before == after).all(axis=2)
    assert 0.5 < kept.mean() < 0.99
    alone = augmented(3, 1, EACH["erasing"])
    assert np.array_equal(after[~kept], alone[~kept])


def test_a_flip_alone_has_exactly_two_views():
    for example_id in (0, 5, 2**63 - 1):
        assert np.array_equal(augmented(example_id, 0, AugmentConfig()), IMAGE)
        assert np.array_equal(augmented(example_id, 1, AugmentConfig()), IMAGE[:, ::-1])


def test_fresh_flips_are_fair_and_a_function_of_seed_example_and_view():
    count = 2000
    images = np.tile(np.array([0, 1], np.uint8).reshape(1, 1, 2, 1), (count, 1, 1, 1))
    ids = np.random.default_rng(0).integers(0, 2**63, count)

    def mirrored(seed, view, order=slice(None)):
        views = np.full(count, view)
        flipped = flip_images(images, tf.constant(ids[order]), tf.constant(views), AugmentConfig(views=0), seed)
        return flipped.numpy()[:, 0, 0, 0] == 1

    first = mirrored(0, 1)
    for other in (mirrored(0, 2), mirrored(1, 1), mirrored(2**33, 1)):
        assert abs(other.mean() - 0.5) < 0.05 and abs(np.mean(other == first) - 0.5) < 0.05
    backwards = mirrored(0, 1, slice(None, None, -1))
    assert np.array_equal(backwards[::-1], first)


@pytest.mark.parametrize("name", EACH)
def test_the_arguments_alone_decide(name):
    first = augmented(3, 1, EACH[name])
    assert first.dtype == np.uint8 and first.shape == IMAGE.shape
    assert not np.array_equal(first, IMAGE)
    for other in ((4, 1, 0), (3, 2, 0), (3, 1, 1), (3, 1, 2**40)):
        assert not np.array_equal(augmented(other[0], other[1], EACH[name], other[2]), first)
    keras.utils.set_random_seed(99)
    assert np.array_equal(augmented(3, 1, EACH[name]), first)
    in_graph = tf.function(lambda example_id: augment_image(IMAGE, example_id, tf.constant(1, tf.int64), EACH[name], 0))
    assert np.array_equal(in_graph(tf.constant(3, tf.int64)), first)


def test_contrast_and_zoom_do_what_they_say():
    spreads = [augmented(i, 0, EACH["contrast"]).std() / IMAGE.std() for i in range(20)]
    assert 0.4 < min(spreads) < 0.8 and 1.1 < max(spreads) < 1.5
    centre = np.zeros((25, 25, 3), np.uint8)
    centre[10:15, 10:15] = 255
    areas = [augmented(i, 0, EACH["zoom"], image=centre).mean() / centre.mean() for i in range(20)]
    assert min(areas) < 0.85 and max(areas) > 1.2


def test_a_mixed_precision_policy_changes_nothing():
    expected = augmented(1, 1, EACH["all"])
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        assert np.array_equal(augmented(1, 1, EACH["all"]), expected)
        # Layers made under the policy, not found in the cache of those made before.
        fresh = AugmentConfig(rotation=0.21, zoom=0.3, contrast=0.4, randaugment=RandAugmentConfig(operations=4),
                              erasing=1.0)
        under_policy = augmented(1, 1, fresh)
    finally:
        keras.config.set_dtype_policy(policy)
    augmentation._layers.cache_clear()
    randaugment._function.cache_clear()
    assert np.array_equal(augmented(1, 1, fresh), under_policy)
