import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpt.config.image_classification import ImageClassificationConfig
from tfpt.config.search_space import Dimension, read_space, space_lines, space_record
from tfpt.config.yaml_text import read_yaml
from tfpt.errors import ConfigError

CONFIG = ImageClassificationConfig()


def space_of(text):
    return read_space(CONFIG, read_yaml(text, "recipe.yaml").values, "recipe.yaml, search")


def test_lists_and_ranges_become_dimensions_in_the_order_written():
    assert space_of("""
        optimizer.learning_rate: {min: 1e-5, max: 1e-2, sampling: log}
        freeze.unfreeze: [0, 5, all, null]
        model.head.dropout: {min: 0, max: 0.5, step: 0.1}
        train.batch_size: {min: 8, max: 64, step: 2, sampling: log}
        model.head.units: [[], [128, 64]]
        augment.flip: [true, false]
    """) == (
        Dimension("optimizer.learning_rate", low=1e-5, high=1e-2, sampling="log"),
        Dimension("freeze.unfreeze", values=(0, 5, "all", None)),
        Dimension("model.head.dropout", low=0.0, high=0.5, step=0.1),
        Dimension("train.batch_size", low=8, high=64, step=2, sampling="log", whole=True),
        Dimension("model.head.units", values=([], [128, 64])),
        Dimension("augment.flip", values=(True, False)),
    )


def test_sections_within_sections_can_be_searched():
    assert space_of("""
        augment.randaugment.magnitude: {min: 3, max: 10}
        augment: {randaugment: {operations: [0, 2]}}
    """) == (
        Dimension("augment.randaugment.magnitude", low=3.0, high=10.0),
        Dimension("augment.randaugment.operations", values=(0, 2)))


def test_values_have_the_type_of_their_field():
    whole, ratio, listed = space_of("freeze.unfreeze: {min: 0, max: 40}\nmodel.alpha: {min: 1, max: 2}\n"
                                    "optimizer.learning_rate: [1]")
    assert whole.whole and type(whole.low) is int
    assert not ratio.whole and type(ratio.low) is float
    assert type(listed.values[0]) is float


def test_sections_may_be_nested():
    assert space_of("model: {head: {dropout: [0.1, 0.2]}, alpha: [1.0]}\noptimizer: {name: [sgd]}") == space_of(
        "model.head.dropout: [0.1, 0.2]\nmodel.alpha: [1.0]\noptimizer.name: [sgd]")


def test_lists_hold_what_the_field_takes_even_schedules_and_mappings():
    phases, weights = space_of("freeze.phases: [null, [{from_epoch: 1}, {from_epoch: 3, unfreeze: all}]]\n"
                               "loss.class_weights: [none, {cats: 2}]")
    assert phases.values[1][1]["unfreeze"] == "all" and weights.values == ("none", {"cats": 2.0})


@pytest.mark.parametrize(("text", "parts"), [
    ("{}", ["Expected fields to search", "found none"]),
    ("optimizer.learning_rat: [1]", ["no optimizer.learning_rat ", "Did you mean optimizer.learning_rate?"]),
    ("loss.class_weights.cats: [1, 2]", ["no loss.class_weights.cats", "Did you mean loss.class_weights?"]),
    ("dropout: [0.1]", ["Did you mean model.head.dropout?"]),
    ("3: [1]", ["no 3 "]),
    ("optimizer: [1, 2]", ["optimizer is a section", "optimizer.name, optimizer.learning_rate"]),
    ("optimizer: {}", ["optimizer is a section"]),
    ("optimizer: {min: 1, max: 2}", ["no optimizer.min "]),
    ("train.epochs: [3]\ntrain: {epochs: [4]}", ["train.epochs stands twice"]),
    ("train.epochs: 3", ["a list of values or a range for train.epochs", "found 3"]),
    ("train.epochs: ", ["a list of values or a range for train.epochs", "found null"]),
    ("optimizer.name: adam", ["a list of values or a range", "the text 'adam'"]),
    ("train.epochs: []", ["an empty list"]),
    ("train.epochs: [3, 4, 3]", ["holds 3 twice"]),
    ("optimizer.learning_rate: [1, 1.0]", ["holds 1.0 twice"]),
    ("model.head.units: [[3], [4], [3]]", ["holds the list [3] twice"]),
    ("train.epochs: [3, 0]", ["train.epochs takes a whole number, at least 1", "found 0"]),
    ("train.epochs: [3, null]", ["train.epochs takes", "found null"]),
    ("optimizer.name: [adam, adma]", ["one of adam, adamw", "'adma'"]),
    ("model.head.units: [64]", ["model.head.units takes a list", "found 64"]),
    ("model.head.units: [[64, 0]]", ["model.head.units[1]", "at least 1"]),
    ("optimizer.name: {min: 1, max: 2}", ["takes one of adam", "can't give it a range", "Write a list"]),
    ("augment.flip: {min: 0, max: 1}", ["takes true or false", "can't give it a range"]),
    ("loss.class_weights: {cats: 1}", ["can't give it a range"]),
    ("train.epochs: {min: 1, max: 4, stop: 2}", ["min, max, step, sampling", "stop isn't among them"]),
    ("train.epochs: {min: 1}", ["min or max is missing"]),
    ("train.epochs: {}", ["min or max is missing"]),
    ("train.epochs: {min: 4, max: 4}", ["a min below its max", "min 4 and max 4"]),
    ("train.epochs: {min: 0, max: 4}", ["at least 1", "found 0"]),
    ("train.epochs: {min: 1, max: 1.5}", ["a whole number", "found 1.5"]),
    ("train.epochs: {min: few, max: 4}", ["min in the range of train.epochs takes a number", "'few'"]),
    ("freeze.unfreeze: {min: 0, max: all}", ["max in the range of freeze.unfreeze takes a number"]),
    ("freeze.unfreeze: {min: 0, max: null}", ["takes a number", "found null"]),
    ("train.epochs: {min: true, max: 4}", ["takes a number", "found true"]),
    ("optimizer.learning_rate: {min: .1, max: .inf}", ["finite"]),
    ("optimizer.learning_rate: {min: .nan, max: 1}", ["finite"]),
    ("model.head.dropout: {min: 0, max: 0.5, sampling: log}", ["a min above 0", "found 0"]),
    ("model.head.dropout: {min: 0, max: 0.5, sampling: random}", ["linear or log", "'random'"]),
    ("model.head.dropout: {min: 0, max: 0.5, sampling: [log]}", ["linear or log"]),
    ("model.head.dropout: {min: 0, max: 0.5, step: 0}", ["step in the range", "a number above 0 and at most 0.5"]),
    ("model.head.dropout: {min: 0, max: 0.5, step: 0.6}", ["at most 0.5", "found 0.6"]),
    ("model.head.dropout: {min: 0, max: 0.5, step: .nan}", ["above 0"]),
    ("model.head.dropout: {min: 0, max: 0.5, step: true}", ["found true"]),
    ("train.epochs: {min: 1, max: 4, step: 1.0}", ["a whole number above 0", "found 1.0"]),
    ("train.epochs: {min: 1, max: 8, step: 1, sampling: log}", ["above 1 and at most 8", "multiplied by"]),
])
def test_what_is_no_space_is_one_clear_paragraph(text, parts):
    with pytest.raises(ConfigError) as caught:
        space_of(text)
    message = str(caught.value)
    assert all(part in message for part in [*parts, "recipe.yaml, search"]), message
    assert "\n" not in message and caught.value.exit_code == 2


def test_a_step_that_just_fits_in_exact_numbers_fits():
    assert space_of("model.head.dropout: {min: 0.8, max: 0.9, step: 0.1}")[0].step == 0.1


def test_a_space_reads_well():
    assert space_lines(space_of("""
        optimizer.learning_rate: {min: 1e-5, max: 1e-2, sampling: log}
        freeze.unfreeze: [0, 5, all, null]
        model.head.dropout: {min: 0, max: 0.5, step: 0.1}
        train.batch_size: {min: 8, max: 64, step: 2, sampling: log}
        model.head.units: [[], [128, 64]]
        augment.flip: [true, false]
        model.alpha: [0.5, 1]
    """)) == [
        "optimizer.learning_rate 1e-05…0.01 (log)", "freeze.unfreeze 0, 5, all, null",
        "model.head.dropout 0…0.5 in steps of 0.1", "train.batch_size 8…64 (log, each 2 times the last)",
        "model.head.units [], [128, 64]", "augment.flip true, false", "model.alpha 0.5, 1"]


@settings(deadline=None, max_examples=50)
@given(st.fixed_dictionaries({"train.seed": st.just([0])}, optional={
    "optimizer.learning_rate": st.lists(st.floats(1e-9, 9), min_size=1, max_size=4, unique=True),
    "train.epochs": st.fixed_dictionaries({"min": st.integers(1, 9), "max": st.integers(10, 99)},
                                          optional={"step": st.just(1), "sampling": st.just("linear")}),
    "optimizer.weight_decay": st.fixed_dictionaries({"min": st.floats(1e-9, 0.1), "max": st.floats(0.2, 1)},
                                                    optional={"step": st.just(1.5), "sampling": st.just("log")})
    .filter(lambda entry: "step" not in entry or "sampling" in entry),
    "freeze.unfreeze": st.lists(st.none() | st.integers(0, 9) | st.text("ab5", min_size=1), min_size=1, max_size=4,
                                unique=True),
}))
def test_a_recorded_space_is_read_as_it_was(mapping):
    space = read_space(CONFIG, mapping, "here")
    assert read_space(CONFIG, json.loads(json.dumps(space_record(space))), "there") == space
