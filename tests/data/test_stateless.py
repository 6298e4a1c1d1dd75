import numpy as np
import tensorflow as tf
from scipy.stats import kstest

from tests.data.many_seeds import for_many_seeds
from tfpt.data.stateless import fold_in, stateless_seed


def test_every_sequence_of_numbers_has_a_seed_of_its_own_and_always_the_same():
    sequences = [(0,), (1,), (2**31,), (2**32 - 1,), (2**40,), (0, 0), (0, 1), (0, -1), (0, 0, 0), (0, 0, 1), (0, 1, 0),
                 (1, 0), (0, 2**62), (0, 2**31)]
    seeds = [tuple(stateless_seed(*sequence).numpy().tolist()) for sequence in sequences]
    assert len(set(seeds)) == len(sequences)
    again = tf.function(lambda number: stateless_seed(0, number, 1))(tf.constant(0, tf.int64)).numpy()
    assert np.array_equal(again, stateless_seed(0, 0, 1))


def test_numbers_of_neighbouring_seeds_are_uniform_and_unrelated():
    """As those of images with neighbouring ids, views or steps."""
    def draw(pair):
        return tf.random.stateless_uniform([2], fold_in(stateless_seed(3, pair[0], 0), 1))

    draws = for_many_seeds(draw, 2000, tf.float32)
    assert kstest(draws[:, 0], "uniform").statistic < 0.05
    assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 0.1 and abs(np.corrcoef(draws.T)[0, 1]) < 0.1
