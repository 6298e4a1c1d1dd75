"""The range test of a recipe, and a training that takes what it finds."""

import math

import pytest

from tfpt.config.loading import load_config
from tfpt.errors import ConfigError, TrainingFailed, UsageError
from tfpt.registry import get_task
from tfpt.workflows.find_lr import find_lr
from tfpt.workflows.search_settings import Asked, settle_search
from tfpt.workflows.train import train

TASK = "image_classification"
BUNDLED = ["model.weights=bundled", "data.image_size=96", "train.accumulation_steps=1", "train.ema_decay=null",
           "optimizer.warmup_epochs=0"]


def trained(folder, *assignments, **options):
    return train(TASK, recipe=f"{TASK}/tiny", assignments=[*BUNDLED, *assignments], run_dir=str(folder / "run"),
                 tensorboard_root=str(folder / "tensorboard"), quiet=True, **options)


def test_it_suggests_the_same_every_time_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = [find_lr(TASK, recipe=f"{TASK}/tiny", assignments=BUNDLED, steps=60, quiet=True) for _ in range(2)]
    assert found[0] == found[1] and 1e-5 < found[0].suggestion < 0.1
    assert found[0].record()["test"]["rates"] == found[0].test.rates and not list(tmp_path.glob("*run*"))


def test_a_training_takes_it_writes_it_down_and_has_the_bits_of_one_that_was_told(tmp_path):
    found = trained(tmp_path / "auto", "optimizer.learning_rate=auto")
    rate = load_config(get_task(TASK).config_class, recipe=found.config_file).optimizer.learning_rate
    assert isinstance(rate, float) and found.manifest()["wall_seconds"]["find_lr"] > 0
    told = trained(tmp_path / "told", f"optimizer.learning_rate={rate}")
    assert found.metrics_file.read_text() == told.metrics_file.read_text()
    resumed = trained(tmp_path / "auto", "optimizer.learning_rate=auto", "train.epochs=5", resume=True)
    assert len(resumed.metrics_file.read_text().splitlines()) == 5


def test_a_phase_that_there_is_not():
    with pytest.raises(UsageError, match="--phase 3: the freeze schedule has the phases 1 to 2"):
        find_lr(TASK, recipe=f"{TASK}/tiny", assignments=BUNDLED, phase=3, quiet=True)


def test_where_nothing_falls_auto_fails_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("tfpt.workflows.find_lr.suggested_rate", lambda test: None)
    with pytest.raises(TrainingFailed, match="auto has none to take. Look at it with tfpt find-lr"):
        trained(tmp_path, "optimizer.learning_rate=auto")
    assert not (tmp_path / "run").exists()


def test_a_dry_run_finds_none(capsys):
    assert train(TASK, recipe=f"{TASK}/tiny", assignments=[*BUNDLED, "optimizer.learning_rate=auto"],
                 dry_run=True) is None
    text = capsys.readouterr().out
    assert "head auto, backbone auto × 0.1" in text and "found in" not in text


@pytest.mark.parametrize("assignments, space", [
    (["optimizer.learning_rate=auto"], "{train.batch_size: [4, 8]}"), ([], "{optimizer.learning_rate: [0.1, auto]}")])
def test_a_search_takes_numbers(tmp_path, assignments, space):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"data: {{path: 'bundled:digits'}}\nsearch: {space}\n")
    with pytest.raises(ConfigError, match="auto is for one training"):
        settle_search(get_task(TASK), Asked(recipe=str(recipe), assignments=assignments))


@pytest.mark.parametrize("arguments", [{"lowest": 0.1, "highest": 0.01}, {"lowest": 0.0}, {"highest": math.inf},
                                       {"steps": 5}])
def test_what_shows_nothing_is_refused(arguments):
    with pytest.raises(UsageError, match="--from|--steps"):
        find_lr(TASK, **arguments)
