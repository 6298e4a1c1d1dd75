import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpt.data.order import epoch_order, view_numbers

IDS = np.random.default_rng(0).integers(0, 2**63, 20_000)
seeds, epochs = st.integers(0, 2**40), st.integers(1, 10_000)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 300), seeds, epochs)
def test_an_epoch_visits_each_example_once(count, seed, epoch):
    order = epoch_order(count, seed, epoch)
    assert order.dtype == np.int64
    assert sorted(order) == list(range(count))
    assert np.array_equal(order, epoch_order(count, seed, epoch))


def test_order_stays_the_same_over_platforms_and_versions():
    assert epoch_order(8, seed=0, epoch=1).tolist() == [3, 6, 5, 7, 4, 1, 2, 0]
    assert view_numbers(np.arange(8), seed=0, epoch=1, views=4).tolist() == [0, 2, 0, 3, 3, 1, 2, 3]


def test_epochs_and_seeds_differ():
    orders = [tuple(epoch_order(50, seed, epoch)) for seed in range(3) for epoch in range(3)]
    views = [tuple(view_numbers(IDS[:50], seed, epoch, 4)) for seed in range(3) for epoch in range(3)]
    assert len(set(orders)) == len(set(views)) == 9


@settings(max_examples=20, deadline=None)
@given(seeds, epochs, st.integers(1, 12))
def test_views_are_uniform(seed, epoch, views):
    counts = np.bincount(view_numbers(IDS, seed, epoch, views), minlength=views)
    expected = len(IDS) / views
    assert len(counts) == views
    assert np.abs(counts - expected).max() < 7 * np.sqrt(expected)


def test_a_view_belongs_to_the_example_not_to_its_place():
    order = epoch_order(1000, 0, 0)
    assert np.array_equal(view_numbers(IDS[:1000], 3, 4, 5)[order], view_numbers(IDS[order], 3, 4, 5))


def test_views_of_neighbouring_epochs_are_independent():
    first, second = (view_numbers(IDS, 0, epoch, 2) for epoch in (1, 2))
    assert abs(np.mean(first == second) - 0.5) < 0.02


def test_no_views_means_a_fresh_one_every_epoch():
    assert view_numbers(IDS[:3], seed=0, epoch=7, views=0).tolist() == [7, 7, 7]
