import dataclasses
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpt.config.image_classification import HeadConfig, ImageClassificationConfig
from tfpt.config.loading import field_help, field_names, from_dict, load_config, recipe_search, with_values
from tfpt.config.shared import PhaseConfig
from tfpt.config.writing import config_difference, to_dict, to_yaml
from tfpt.errors import ConfigError

Config = ImageClassificationConfig
TEXT = st.text(string.printable + "äß猫", min_size=1, max_size=12)
ASSIGNMENTS = st.fixed_dictionaries({}, optional={
    "data.path": TEXT,
    "data.validation": st.floats(0.01, 0.99),
    "data.image_size": st.none() | st.integers(1, 4096),
    "model.weights": st.none() | TEXT,
    "model.head.units": st.lists(st.integers(1, 512), max_size=3),
    "freeze.unfreeze": st.none() | st.integers(0, 200) | TEXT,
    "freeze.phases": st.none() | st.lists(st.fixed_dictionaries(
        {"from_epoch": st.integers(1, 9)}, optional={"unfreeze": st.integers(0, 9) | TEXT}), max_size=3),
    "loss.class_weights": st.sampled_from(["none", "balanced"]) | st.dictionaries(TEXT, st.floats(0, 9), max_size=3),
    "optimizer.learning_rate": st.floats(1e-12, 1e6),
    "optimizer.nesterov": st.booleans(),
})


def load(recipe_text=None, folder=None, **options):
    if recipe_text is not None:
        options["recipe"] = folder / "recipe.yaml"
        options["recipe"].write_text(recipe_text)
    return load_config(Config, **options)


@settings(max_examples=100, deadline=None)
@given(ASSIGNMENTS)
def test_a_config_written_as_yaml_loads_to_an_equal_config(tmp_path_factory, values):
    config = load_config(Config, settings=values)
    path = tmp_path_factory.mktemp("recipe") / "config.yaml"
    path.write_text(to_yaml(config), encoding="utf-8")
    assert load_config(Config, recipe=path) == config
    assert from_dict(Config, to_dict(config), "here") == config


def test_precedence_is_default_recipe_flag_assignment(tmp_path):
    recipe = "train: {epochs: 2, batch_size: 2, seed: 2}\n"
    config = load(recipe, tmp_path, settings={"train.epochs": None, "train.batch_size": 3, "train.seed": 3},
                  assignments=["train.seed=4", "train.seed=5"])
    assert (config.train.epochs, config.train.batch_size, config.train.seed) == (2, 3, 5)
    assert config.train.accumulation_steps == Config().train.accumulation_steps


def test_a_section_in_a_recipe_keeps_its_other_defaults_and_a_mapping_value_is_replaced():
    first = load(assignments=["model.head={dropout: 0.5}", "loss.class_weights={a: 1}"])
    assert first.model.head == HeadConfig(dropout=0.5)
    assert load_config(Config, base=first, assignments=["loss.class_weights={b: 2}"]).loss.class_weights == {"b": 2.0}


def test_lists_of_dataclasses_become_tuples_of_them():
    phases = load(assignments=["freeze.phases=[{from_epoch: 1}, {from_epoch: 4, unfreeze: all}]"]).freeze.phases
    assert phases == (PhaseConfig(), PhaseConfig(from_epoch=4, unfreeze="all"))
    assert load(settings={"freeze.phases": phases}).freeze.phases == phases


@pytest.mark.parametrize(("assignment", "parts"), [
    ("train.epoch=3", ["no train.epoch ", "Did you mean train.epochs?"]),
    ("trian.epochs=3", ["Did you mean train.epochs?"]),
    ("epochs=3", ["Did you mean train.epochs?"]),
    ("head.units=[3]", ["Did you mean model.head.units?"]),
    ("zzz.qqq=3", ["The config has: data, model"]),
    ("train.epochs=0", ["at least 1", "found 0", "--set train.epochs=0", "passes over the training images"]),
    ("train.epochs=true", ["whole number", "found true"]),
    ("train.epochs=1.5", ["whole number", "found 1.5"]),
    ("train.epochs=", ["found null"]),
    ("data.validation=1", ["below 1"]),
    ("optimizer.learning_rate=.nan", ["finite"]),
    ("optimizer.learning_rate=fast", ["a number", "the text 'fast'"]),
    ("optimizer.name=adma", ["one of adam, adamw, sgd, rmsprop"]),
    ("model.head.units=[64, x]", ["model.head.units[1]", "whole number"]),
    ("model.head.units=64", ["a list"]),
    ("loss.class_weights=balance", ["one of none, balanced or a mapping"]),
    ("loss.class_weights={cats: -1x}", ["loss.class_weights.cats"]),
    ("freeze.phases=[{from_epoch: 1, unfrez: 3}]",
     ["freeze.phases[0].unfrez ", "Did you mean freeze.phases[0].unfreeze?"]),
    ("freeze.phases=[{from_epoch: 0}]", ["freeze.phases[0].from_epoch", "at least 1"]),
    ("data=photos", ["data takes a mapping", "the text 'photos'"]),
    ("train", ["name=value"]), ("=3", ["name=value"]), ("a..b=3", ["name=value"]),
    ("train.epochs=[", ["Expected YAML", "--set train.epochs=["]),
])
def test_a_bad_assignment_is_one_clear_paragraph(assignment, parts):
    with pytest.raises(ConfigError) as caught:
        load(assignments=[assignment])
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message and caught.value.exit_code == 2


@pytest.mark.parametrize(("text", "parts"), [
    ("train:\n  epochs: 3\n  batch: 2\n", ["train.batch ", "recipe.yaml, line 3"]),
    ("train:\n  epochs: many\n", ["train.epochs", "recipe.yaml, line 2"]),
    ("freeze:\n  phases:\n    - from_epoch: 1\n    - from_epoch: -1\n", ["freeze.phases[1].from_epoch", "line 4"]),
    ("train.epochs: 3\n", ["Write it nested: train: {epochs: …}"]),
    ("- 1\n", ["mapping of sections"]),
    ("augment:\n", ["augment takes a mapping", "null"]),
    ("3: 4\n", ["no 3 "]),
])
def test_a_bad_recipe_names_file_and_line(tmp_path, text, parts):
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_an_empty_recipe_is_all_defaults_and_a_binary_one_is_refused(tmp_path):
    assert load("# nothing\n", tmp_path) == Config()
    (tmp_path / "model.keras").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(recipe=tmp_path / "model.keras")


def test_settings_are_checked_as_recipes_are():
    with pytest.raises(ConfigError, match="train.epochs takes a whole number, at least 1, but found -1"):
        load(settings={"train.epochs": -1})


def test_a_search_section_is_for_tuning_alone(tmp_path):
    text = "train: {epochs: 2}\nsearch: {train.epochs: [1, 2], nonsense: 3}\n"
    with pytest.raises(ConfigError, match=r"`tfpt tune`.*recipe.yaml, line 2 .*take the section out") as caught:
        load(text, tmp_path)
    assert "\n" not in str(caught.value) and "Did you mean" not in str(caught.value)
    assert load(text, tmp_path, with_search=True).train.epochs == 2
    assert recipe_search(tmp_path / "recipe.yaml") == {"train.epochs": [1, 2], "nonsense": 3}


@pytest.mark.parametrize("text", ["", "# nothing\n", "train: {epochs: 2}\n"])
def test_a_recipe_without_search_has_none(tmp_path, text):
    load(text, tmp_path, with_search=True)
    assert recipe_search(tmp_path / "recipe.yaml") is None and recipe_search(None) is None


@pytest.mark.parametrize(("text", "found"), [("search:\n", "null"), ("\nsearch: [train.epochs]\n", "the list")])
def test_a_search_section_is_a_mapping(tmp_path, text, found):
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(ConfigError, match=f"search takes a mapping.*{found}.*recipe.yaml, line"):
        recipe_search(tmp_path / "recipe.yaml")


def test_values_are_set_by_dotted_name_null_among_them():
    config = load(assignments=["freeze.unfreeze=3", "model.head.units=[8]"])
    changed = with_values(config, {"freeze.unfreeze": None, "model.head.units": [4, 2], "train.epochs": 3}, "trial 1")
    assert changed.freeze.unfreeze is None and changed.model.head.units == (4, 2) and changed.train.epochs == 3
    assert changed.model.head.dropout == config.model.head.dropout
    with pytest.raises(ConfigError, match=r"train.epochs takes.*trial 1"):
        with_values(config, {"train.epochs": 0}, "trial 1")


def test_differences_are_listed_by_dotted_name():
    old, new = Config(), load(assignments=["train.epochs=20", "model.head.units=[64]"])
    assert config_difference(old, new) == [("model.head.units", [128], [64]), ("train.epochs", 10, 20)]
    assert config_difference(new, new) == []


def test_every_field_of_every_config_has_help_and_a_default_that_loads():
    names = list(field_names(Config))
    assert "model.head.units" in names and "model.head" not in names
    assert all(field_help(Config, name) for name in names)
    assert from_dict(Config, to_dict(Config()), "defaults") == Config()
    assert dataclasses.is_dataclass(Config)
