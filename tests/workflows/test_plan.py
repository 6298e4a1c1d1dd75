"""The plan: random weights at first, one optimizer over all phases, lines that say it all."""

import io
from dataclasses import replace

import pytest

from tfpt.config.loading import load_config, with_values
from tfpt.registry import get_task
from tfpt.training.screen import Screen
from tfpt.workflows.plan import make_plan, phase_records, show_plan


@pytest.fixture(scope="module")
def planned():
    task = get_task("image_classification")
    config = task.resolve(load_config(task.config_class, recipe="image_classification/tiny"))
    splits = task.sources(config)
    return task, config, splits, make_plan(task, config, splits)


def test_the_optimizer_is_built_on_what_any_phase_trains(planned):
    *_, plan = planned
    (_, variables), = plan.optimizers.values()
    names = {variable.path for variable in variables}
    assert {"Conv_1/kernel", "head_output/bias", "block_16_depthwise/kernel"} <= names
    assert not any("bn" in name.lower() for name in names) and "Conv1/kernel" not in names


def test_records_cover_all_epochs(planned):
    *_, plan = planned
    records = phase_records(plan)
    assert [(record["from_epoch"], record["to_epoch"], record["unfreeze"]) for record in records] == [
        (1, 2, 0), (3, 4, 10)]
    assert records[0]["trainable_parameters"] < records[1]["trainable_parameters"]


def test_the_same_seed_gives_the_same_initial_weights(planned):
    task, config, splits, plan = planned
    again = make_plan(task, config, splits)
    for one, other in zip(plan.model.get_weights(), again.model.get_weights()):
        assert (one == other).all()
    other_seed = make_plan(task, replace(config, train=replace(config.train, seed=1)), splits)
    assert not all((one == other).all() for one, other in zip(plan.model.get_weights(), other_seed.model.get_weights()))


def test_what_rules_the_cache_out_is_said(planned):
    task, config, splits, _ = planned
    config = task.resolve(with_values(config, {"augment.mixup": 0.2, "augment.cutmix": 1.0}, "here"))
    plan = make_plan(task, config, splits)
    stream = io.StringIO()
    show_plan(Screen(stream), task, config, splits, plan, "logs")
    assert ("cache     none: augment.mixup and augment.cutmix make new images out of pairs in each epoch\n"
            in stream.getvalue()) and not plan.cache.cuts


def test_the_screen_says_what_will_happen(planned):
    stream = io.StringIO()
    show_plan(Screen(stream), *planned, "logs")
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("data      UCI digits · 10 classes")
    assert lines[1] == "model     MobileNetV2 0.35 at 32 px · no pretrained weights · head 1280 → 16 → 10"
    assert "epochs 1–2   head only" in lines[2] and "+ last 10 of 153 layers" in lines[3]
    assert "falling by 0.95 a layer" in lines[3]
    assert lines[4] == ("optimizer adam · cosine learning rate after 0.5 epochs of warm-up · batch 8 × 2 accumulated · "
                        "8 updates an epoch · weights averaged, decay 0.9")
    cuts = [line for line in lines[5:] if "cut after" in line]
    assert lines[5].startswith("cache     epoch") and 1 <= len(cuts) <= 2  # times decide which
    assert "× (120 × 4 views + 89) = " in cuts[0] and cuts[0].endswith("% of the forward work saved")
    assert lines[5 + len(cuts)] == "watch     tensorboard --logdir logs"
