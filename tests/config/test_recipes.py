import pytest

from tfpt.config.image_classification import ImageClassificationConfig
from tfpt.config.loading import load_config
from tfpt.config.recipes import find_recipe, recipe_names, recipes_folder
from tfpt.errors import ConfigError

DEMO = "image_classification/demo"


def test_shipped_recipes_are_found_with_and_without_suffix():
    assert find_recipe(DEMO) == find_recipe(f"{DEMO}.yaml") == recipes_folder() / f"{DEMO}.yaml"


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith("image_classification/")])
def test_every_shipped_recipe_loads_strictly(name):
    assert isinstance(load_config(ImageClassificationConfig, recipe=name), ImageClassificationConfig)


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_opens_with_its_command(name):
    header = find_recipe(name).read_text().split("\n\n")[0]
    assert header.startswith("#") and "tfpt " in header


def test_an_existing_file_wins_over_a_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / f"{DEMO}.yaml"
    own.parent.mkdir()
    own.write_text("train: {epochs: 77}\n")
    assert find_recipe(f"{DEMO}.yaml").resolve() == own
    assert find_recipe(DEMO) == recipes_folder() / f"{DEMO}.yaml"


@pytest.mark.parametrize(("name", "part"), [
    ("image_classification/dmo", "Did you mean image_classification/demo"),
    ("demo", "Did you mean image_classification/demo"),
    ("zzz", "The shipped recipes are"), ("x" * 5000, "neither a file"), (".", "is a folder"),
])
def test_an_unknown_recipe_offers_what_there_is(name, part):
    with pytest.raises(ConfigError) as caught:
        find_recipe(name)
    assert part in str(caught.value)
