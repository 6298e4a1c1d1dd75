"""The cuts that a schedule may use: the boundary of each phase, and what is narrower in front of it."""

import keras

from tests.training.small_models import residual_model, units_of
from tfpt.training.freezing import Phase
from tfpt.training.prefix_cache.stops import MOST_OPTIONS, NARROWER, in_order, phase_cuts


def phases(*unfrozen, batch_norm=False):
    return [Phase(number, number, count, 1.0, 0.1, batch_norm) for number, count in enumerate(unfrozen, 1)]


def names(cuts):
    return [[cut.name for cut in phase.cuts] for phase in cuts]


def bottleneck_model():
    """8×8×4 → 8×8×1 → 8×8×8, then a head."""
    inputs = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Rescaling(2.0, name="scale")(inputs)
    x = keras.layers.Conv2D(4, 3, padding="same", name="wide")(x)
    x = keras.layers.Conv2D(1, 3, padding="same", name="narrow")(x)
    x = keras.layers.Conv2D(8, 3, padding="same", name="broad")(x)
    x = keras.layers.Conv2D(8, 3, padding="same", name="last")(x)
    pooled = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="head_output")(pooled))


def test_a_bottleneck_in_front_of_the_boundary_is_an_option():
    model = bottleneck_model()
    found, = phase_cuts(model, units_of(model), phases(1))
    assert [cut.name for cut in found.cuts] == ["broad", "narrow"] and found.valid_from == (0, 0)


def test_with_the_head_alone_it_is_the_pooled_vector():
    model = residual_model()
    assert names(phase_cuts(model, units_of(model), phases(0))) == [["head_pool"]]


def test_scaling_pixels_is_no_work_to_save():
    model = bottleneck_model()
    assert names(phase_cuts(model, units_of(model), phases(4))) == [[]]


def test_where_everything_trains_there_is_none():
    model = residual_model()
    found, = phase_cuts(model, units_of(model), phases(len(units_of(model))))
    assert found.cuts == () and found.valid_from == ()


def test_each_option_is_narrower_than_the_one_behind_it():
    inputs = keras.Input((16, 16, 3))
    x = inputs
    for number, width in enumerate([1, 2, 3, 5, 8, 12, 20]):
        x = keras.layers.Conv2D(width, 1, name=f"conv_{number}")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="head_output")(x))
    cuts = phase_cuts(model, units_of(model), phases(0))[0].cuts
    values = [cut.values for cut in cuts]
    assert len(cuts) == MOST_OPTIONS and cuts[0].name == "conv_6"
    assert all(later <= NARROWER * earlier for earlier, later in zip(values, values[1:]))


def test_a_growing_schedule_finds_every_cut_as_it_stays():
    model = residual_model()
    cuts = phase_cuts(model, units_of(model), phases(0, 4))
    assert names(cuts)[0] == ["head_pool"] and names(cuts)[1][0] == "block_1_add"
    assert [valid for phase in cuts for valid in phase.valid_from] == [0] * sum(len(phase.cuts) for phase in cuts)


def test_a_shrinking_schedule_tells_from_when_a_cut_holds():
    model = residual_model()
    first, second, third = phase_cuts(model, units_of(model), phases(8, 4, 0))
    assert first.cuts[0].name == "block_0_add" and first.valid_from[0] == 0
    assert second.cuts[0].name == "block_1_add" and second.valid_from[0] == 1
    assert third.cuts[0].name == "head_pool" and third.valid_from[0] == 2


def test_batch_normalization_that_trained_counts_as_changed():
    model = residual_model()
    bn_and_after = 3  # block_2's BatchNormalization, ReLU and Add
    kept, = [phase_cuts(model, units_of(model), phases(bn_and_after, 0))[1].valid_from]
    changed, = [phase_cuts(model, units_of(model), phases(bn_and_after, 0, batch_norm=True))[1].valid_from]
    assert kept[0] == 0 and changed[0] == 1


def test_the_layers_are_left_as_the_last_phase_has_them():
    model = residual_model()
    phase_cuts(model, units_of(model), phases(0, 4))
    assert model.get_layer("block_2_conv").trainable and not model.get_layer("block_1_conv").trainable


def test_in_order_counts_each_cut_once_from_the_inputs_on():
    model = residual_model()
    cuts = [cut for phase in phase_cuts(model, units_of(model), phases(4, 8, 0, 4)) for cut in phase.cuts]
    ordered = [cut.name for cut in in_order(model, cuts)]
    assert len(set(ordered)) == len(ordered) and ordered[-1] == "head_pool"
    assert ordered.index("block_0_add") < ordered.index("block_1_add")
