"""Freeze schedules: who trains when, at what rate, and the check that it was so."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.small_models import residual_model, units_of
from tfpt.config.shared import FreezeConfig, PhaseConfig
from tfpt.errors import CheckFailed, ConfigError
from tfpt.task import Unit
from tfpt.training import freezing

UNITS = [Unit(f"block_{block}_{part}", ()) for block in range(1, 17) for part in ("expand", "project")]


def test_unfreeze_ten_is_the_head_first_then_the_last_ten():
    head, partial = freezing.plan_phases(FreezeConfig(unfreeze=10, head_epochs=3), 10, UNITS)
    assert (head.from_epoch, head.to_epoch, head.unfrozen) == (1, 3, 0)
    assert (partial.from_epoch, partial.to_epoch, partial.unfrozen) == (4, 10, 10)


def test_features_is_one_phase_whatever_head_epochs_says():
    phases = freezing.plan_phases(FreezeConfig(unfreeze=0, head_epochs=3), 10, UNITS)
    assert [phase.unfrozen for phase in phases] == [0]


def test_scratch_trains_everything_at_one_rate_batch_normalization_included():
    (phase,) = freezing.plan_phases(FreezeConfig(unfreeze="scratch", head_epochs=3), 10, UNITS)
    assert phase.unfrozen == len(UNITS) and phase.backbone_rate == 1.0 and phase.batch_norm_trains


def test_gradual_takes_its_phases_and_their_rates():
    freeze = FreezeConfig(phases=(PhaseConfig(1, 0), PhaseConfig(3, "block_15", backbone_rate=0.02, head_rate=0.5),
                                  PhaseConfig(5, "all")))
    phases = freezing.plan_phases(freeze, 8, UNITS)
    assert [phase.unfrozen for phase in phases] == [0, 4, 32]
    assert [phase.backbone_rate for phase in phases] == [0.1, 0.02, 0.1]
    assert phases[1].head_rate == 0.5


@given(epochs=st.integers(1, 30), head_epochs=st.integers(0, 29), unfreeze=st.sampled_from([0, 1, 32, "all"]))
def test_phases_cover_every_epoch_once(epochs, head_epochs, unfreeze):
    freeze = FreezeConfig(unfreeze=unfreeze, head_epochs=head_epochs)
    if unfreeze != 0 and head_epochs >= epochs:
        with pytest.raises(ConfigError, match="never be reached"):
            freezing.plan_phases(freeze, epochs, UNITS)
        return
    phases = freezing.plan_phases(freeze, epochs, UNITS)
    covered = [epoch for phase in phases for epoch in range(phase.from_epoch, phase.to_epoch + 1)]
    assert covered == list(range(1, epochs + 1))


@pytest.mark.parametrize("unfreeze, words", [
    (-1, "0 to 32"), (33, "0 to 32"), ("block_17", "block_1"), ("nonsense", "takes a number, a block's name")])
def test_what_cannot_be_unfrozen_says_what_can(unfreeze, words):
    with pytest.raises(ConfigError, match=words):
        freezing.count_unfrozen(unfreeze, UNITS)


def test_block_1_is_not_block_15():
    assert freezing.count_unfrozen("block_1", UNITS) == 32
    assert freezing.count_unfrozen("block_15", UNITS) == 4
    assert freezing.count_unfrozen("block_16_project", UNITS) == 1


@pytest.mark.parametrize("phases, words", [
    ((), "empty"), ((PhaseConfig(2, 0),), "epoch 1"), ((PhaseConfig(1, 0), PhaseConfig(1, 5)), "rising")])
def test_bad_phases_are_refused(phases, words):
    with pytest.raises(ConfigError, match=words):
        freezing.plan_phases(FreezeConfig(phases=phases), 5, UNITS)


@settings(max_examples=8, deadline=None)
@given(unfrozen=st.integers(0, 12), batch_norm_trains=st.booleans())
def test_exactly_the_chosen_layers_are_trainable(unfrozen, batch_norm_trains):
    model = residual_model()
    units = units_of(model)
    unfrozen = min(unfrozen, len(units))
    freezing.apply_phase(model, units, freezing.Phase(1, 1, unfrozen, 1.0, 0.1, batch_norm_trains))
    active = {unit.name for unit in units[len(units) - unfrozen:]}
    for layer in model.layers:
        is_norm = layer.name.endswith("_bn")
        expected = layer.name.startswith("head_") or (layer.name in active and (batch_norm_trains or not is_norm))
        assert layer.trainable == expected, layer.name


def test_batch_norm_that_trains_gets_the_momentum_and_the_rest_keeps_its_own():
    model = residual_model()
    units = units_of(model)
    phase = freezing.Phase(1, 1, 4, 1.0, 0.1, batch_norm_trains=True, batch_norm_momentum=0.5)
    freezing.apply_phase(model, units, phase)
    assert [model.get_layer(f"block_{block}_bn").momentum for block in range(3)] == [0.99, 0.99, 0.5]


def test_multipliers_fall_with_depth_from_the_head():
    model = residual_model()
    units = units_of(model)
    phase = freezing.Phase(1, 1, len(units), head_rate=2.0, backbone_rate=0.1, batch_norm_trains=True)
    rates = freezing.rate_multipliers(model, units, phase, rate_decay=0.5)
    assert rates[id(model.get_layer("head_output").kernel)] == 2.0
    assert rates[id(model.get_layer("block_2_bn").gamma)] == pytest.approx(0.1 * 0.5 ** 2)
    assert rates[id(model.get_layer("stem").kernel)] == pytest.approx(0.1 * 0.5 ** (len(units) - 1))


def test_optimizer_variables_are_the_union_over_phases():
    model = residual_model()
    units = units_of(model)
    phases = (freezing.Phase(1, 1, 0, 1.0, 0.1, False), freezing.Phase(2, 2, 4, 1.0, 0.1, False))
    names = [variable.path for variable in freezing.ever_trainable(model, units, phases)]
    assert names == ["block_2_conv/kernel", "head_output/kernel", "head_output/bias"]


def _checked(change):
    model = residual_model()
    units = units_of(model)
    freezing.apply_phase(model, units, freezing.Phase(1, 1, 4, 1.0, 0.1, False))
    before = freezing.weight_digests(model)
    for path in ["block_2_conv/kernel", "head_output/kernel", "head_output/bias"]:
        variable = next(weight for weight in model.weights if weight.path == path)
        variable.assign(variable + 1.0)
    change(model)
    freezing.check_trainability(model, before)


def test_the_check_passes_when_just_the_trainable_moved():
    _checked(lambda model: None)


def test_the_check_names_a_frozen_weight_that_moved():
    with pytest.raises(CheckFailed, match="frozen, yet changed: block_1_bn/moving_mean"):
        _checked(lambda model: model.get_layer("block_1_bn").moving_mean.assign([1.0] * 4))


def test_the_check_names_a_trainable_weight_that_did_not_move():
    def undo(model):
        bias = model.get_layer("head_output").bias
        bias.assign(bias - 1.0)
    with pytest.raises(CheckFailed, match="trainable, yet unchanged: head_output/bias"):
        _checked(undo)


def test_moving_statistics_of_a_trained_batch_norm_may_move_or_not():
    model = residual_model(blocks=1)
    units = units_of(model)
    freezing.apply_phase(model, units, freezing.Phase(1, 1, len(units), 1.0, 1.0, True))
    before = freezing.weight_digests(model)
    for variable in model.trainable_variables:
        variable.assign(variable + 1.0)
    model.get_layer("block_0_bn").moving_mean.assign([1.0] * 4)
    freezing.check_trainability(model, before)
