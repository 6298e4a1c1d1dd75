"""Mixup and CutMix by hand, their distributions, and that (seed, epoch, step) alone decides."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, kstest

from tests.data.many_seeds import for_many_seeds
from tfpt.config.image_classification import AugmentConfig
from tfpt.data.mixing import _symmetric_beta, mix_images, mixed_batches, mixing_settings, new_images_text
from tfpt.data.stateless import stateless_seed

MIXUP, CUTMIX = AugmentConfig(mixup=0.4), AugmentConfig(cutmix=1.0)
BOTH = AugmentConfig(mixup=0.4, cutmix=1.0)


def batch_of(count, size=16, seed=0):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, size, size, 3)).astype(np.uint8)
    return images, random.integers(0, 9, count).astype(np.int32)


def mixed(images, labels, augment, seed=0):
    result = mix_images(tf.constant(images), tf.constant(labels), stateless_seed(seed), augment)
    return {name: tensor.numpy() for name, tensor in result.items()}


def symmetric_betas(alpha, count):
    return for_many_seeds(lambda seed: _symmetric_beta(alpha, seed), count, tf.float32)


def is_mixup(images, result):
    """Pasted pixels are one of the two there."""
    own, other = result["image"] == images, result["image"] == np.roll(images, 1, axis=0)
    return not (own | other).all()


@pytest.mark.parametrize("seed", range(5))
def test_mixup_blends_each_image_with_the_one_before(seed):
    images, labels = batch_of(5)
    result = mixed(images, labels, MIXUP, seed)
    share = result["share"][0]
    expected = share * images.astype(float) + (1 - share) * np.roll(images, 1, axis=0)
    assert 0 < share < 1 and np.abs(result["image"] - expected).max() < 0.501
    assert np.array_equal(result["label"], labels) and np.array_equal(result["other_label"], np.roll(labels, 1))
    assert (result["share"] == share).all()


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_pastes_one_rectangle_and_counts_its_pixels(seed):
    images = np.arange(1, 5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 20, 20, 3), np.uint8)
    result = mixed(images, np.arange(4, dtype=np.int32), CUTMIX, seed)
    pasted = result["image"] != images
    assert np.array_equal(result["image"][pasted], np.roll(images, 1, axis=0)[pasted])
    assert (pasted == pasted[0]).all()
    rows, columns = pasted[0].any(axis=(1, 2)), pasted[0].any(axis=(0, 2))
    assert pasted[0].sum() == 3 * rows.sum() * columns.sum()
    for side in (rows, columns):
        assert np.abs(np.diff(side.astype(int), prepend=0, append=0)).sum() in (0, 2)
    assert result["share"] == pytest.approx([1 - pasted[0].mean()] * 4)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 8.0])
def test_shares_are_distributed_as_beta(alpha):
    """Those that float32 can't tell from 0 or 1 say nothing."""
    found = symmetric_betas(alpha, 2000).astype(float)
    assert kstest(found.clip(1e-6, 1 - 1e-6), lambda x: beta.cdf(x, alpha, alpha)).statistic < 0.04 + (
        beta.cdf(1e-6, alpha, alpha))


def test_tiny_parameters_give_one_image_or_the_other():
    found = symmetric_betas(1e-3, 400)
    assert np.isfinite(found).all() and np.isin(found.round(3), [0, 1]).mean() > 0.95
    assert 0.4 < found.mean() < 0.6


def test_the_rectangle_of_cutmix_has_the_share_that_was_drawn_and_lies_anywhere():
    """The corners are reached as well, as the centre may be anywhere and the rest is cut off."""
    images = np.stack([np.zeros((20, 20, 3), np.uint8), np.ones((20, 20, 3), np.uint8)])
    pasted = np.stack([mixed(images, np.zeros(2, np.int32), CUTMIX, seed)["image"][0, :, :, 0] for seed in range(300)])
    chances = pasted.mean(axis=0)
    assert chances.min() > 0.08 and chances[10, 10] > 2 * chances[0, 0]


def test_with_both_on_each_is_chosen_for_half_of_the_batches():
    images, labels = batch_of(2, size=12)
    chosen = [is_mixup(images, mixed(images, labels, BOTH, seed)) for seed in range(200)]
    assert 70 < sum(chosen) < 130
    assert not any(is_mixup(images, mixed(images, labels, CUTMIX, seed)) for seed in range(20))


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 5), size=st.integers(1, 12), seed=st.integers(0, 2**32 - 1),
       mixup=st.sampled_from([0.0, 1e-3, 0.2, 1.0, 1000.0]), cutmix=st.sampled_from([1e-3, 1.0, 1000.0]))
def test_any_batch_keeps_shape_range_and_type(count, size, seed, mixup, cutmix):
    images, labels = batch_of(count, size)
    augment = AugmentConfig(mixup=mixup, cutmix=cutmix)
    first, again = mixed(images, labels, augment, seed), mixed(images, labels, augment, seed)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert first["image"].dtype == np.uint8 and first["image"].shape == images.shape
    assert first["share"].dtype == np.float32 and ((0 <= first["share"]) & (first["share"] <= 1)).all()
    low = np.minimum(images, np.roll(images, 1, axis=0))
    high = np.maximum(images, np.roll(images, 1, axis=0))
    assert ((low <= first["image"]) & (first["image"] <= high)).all()


def test_a_single_image_stays_as_it_is():
    images, labels = batch_of(1)
    assert np.array_equal(mixed(images, labels, BOTH)["image"], images)


def epoch_of(augment, seed=3, epoch=2, first_step=0):
    images, labels = batch_of(11, size=6)
    batches = tf.data.Dataset.from_tensor_slices({"image": images, "label": labels}).batch(4).skip(first_step)
    return list(mixed_batches(batches, augment, seed, epoch, first_step).as_numpy_iterator())


@pytest.mark.parametrize("augment", [MIXUP, CUTMIX, BOTH], ids=["mixup", "cutmix", "both"])
def test_an_epoch_that_is_gone_on_with_mixes_as_from_its_beginning(augment):
    whole = epoch_of(augment)
    assert [len(batch["label"]) for batch in whole] == [4, 4, 3]
    for first_step in (1, 2):
        for ours, theirs in zip(epoch_of(augment, first_step=first_step), whole[first_step:], strict=True):
            assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_seed_epoch_and_step_each_change_the_shares():
    shares = [[batch["share"][0] for batch in epoch_of(MIXUP, seed, epoch)] for seed, epoch in
              ((3, 2), (3, 3), (4, 2), (3 + 2**33, 2))]
    assert len(set(np.ravel(shares))) == 12


def test_the_settings_that_mix_are_named():
    assert mixing_settings(AugmentConfig()) == [] and new_images_text(AugmentConfig()) == ""
    assert mixing_settings(BOTH) == ["augment.mixup", "augment.cutmix"]
    assert new_images_text(MIXUP) == "augment.mixup makes new images out of pairs in each epoch"
    assert new_images_text(BOTH).startswith("augment.mixup and augment.cutmix make ")
