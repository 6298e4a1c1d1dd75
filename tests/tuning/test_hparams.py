"""A search as a real TensorBoard server tells it."""

import dataclasses
from pathlib import Path

import pytest

from tests.tensorboard_server import tensorboard
from tests.tuning.results import completed, failed
from tfpt.tuning.hparams import HParamsLog

SPACE = {"optimizer.learning_rate": [1e-5, 1e-2], "freeze.unfreeze": [0, 5, "all", None], "augment.flip": [False, True],
         "model.head.units": [[128], [128, 64]], "train.batch_size": [16, 32], "optimizer.name": ["adam", "sgd"]}
ALL = {"allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"], "startIndex": 0,
       "sliceSize": 100}


def values(*given):
    return dict(zip(SPACE, given, strict=True))


FIRST = completed(1, 0.9, **values(1e-3, 5, True, [128, 64], 16, "adam"))
SECOND = completed(2, 0.8, **values(1e-4, "all", False, (128,), 32, "sgd"))
THIRD = failed(3, **values(1e-2, None, True, [128], 32, "sgd"))


def groups(server, count):
    """The session groups by name, once the server has read ``count`` of them to their end."""
    def found():
        known = server.ask("hparams", "session_groups", ALL).get("sessionGroups", [])
        whole = len(known) == count and all(group["sessions"][0]["endTimeSecs"] for group in known)
        return {group["name"]: group for group in known} if whole else None

    return server.wait_for(found, f"{count} trials")


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    """What TensorBoard says of two searches: their trials by name, and the kinds of the first one's values."""
    root = tmp_path_factory.mktemp("logs")
    log = HParamsLog(root / "tune-0001", SPACE, ["loss", "accuracy"])
    log.write_search()
    log.write_search()
    for result in (FIRST, SECOND, THIRD):
        log.write_trial(result)
    other = HParamsLog(root / "tune-0002", {"train.epochs": [1, 5]}, ["loss", "accuracy"])
    again = completed(1, 0.5, **{"train.epochs": 4})
    other.write_trial(dataclasses.replace(again, status="running", metrics={}))
    other.write_trial(failed(1, **{"train.epochs": 4}))
    other.write_trial(dataclasses.replace(again, metrics={"loss": float("nan"), "accuracy": 0.5, "extra": 1.0}))
    with tensorboard(root) as server:
        return groups(server, 4), server.ask("hparams", "experiment", {})["hparamInfos"]


def metrics_of(group):
    return {value["name"]["tag"]: (value["value"], value["trainingStep"]) for value in group.get("metricValues", [])}


def test_every_trial_is_listed_with_its_values_as_one_kind_each(dashboard):
    found, infos = dashboard
    assert found["trial 1 of tune-0001"]["hparams"] == values(1e-3, "5", True, "[128, 64]", 16, "adam")
    assert found["trial 2 of tune-0001"]["hparams"] == values(1e-4, "all", False, "[128]", 32, "sgd")
    assert found["trial 3 of tune-0001"]["hparams"] == values(1e-2, "null", True, "[128]", 32, "sgd")
    number, text = "DATA_TYPE_FLOAT64", "DATA_TYPE_STRING"
    assert {info["name"]: info["type"] for info in infos} == values(number, text, "DATA_TYPE_BOOL", text, number, text)


def test_every_trial_has_its_metrics_and_how_it_ended(dashboard):
    found, _ = dashboard
    statuses = {name: group["sessions"][0]["status"].removeprefix("STATUS_") for name, group in found.items()}
    assert statuses == {"trial 1 of tune-0001": "SUCCESS", "trial 2 of tune-0001": "SUCCESS",
                        "trial 3 of tune-0001": "FAILURE", "trial 1 of tune-0002": "SUCCESS"}
    expected = {"best/loss": (pytest.approx(0.1), 2), "best/accuracy": (pytest.approx(0.9), 2)}
    assert metrics_of(found["trial 1 of tune-0001"]) == expected
    assert metrics_of(found["trial 3 of tune-0001"]) == {}


def test_a_trial_that_was_tried_again_counts_once_as_it_ended(dashboard):
    group = dashboard[0]["trial 1 of tune-0002"]
    assert len(group["sessions"]) == 1 and group["hparams"] == {"train.epochs": 4}
    assert metrics_of(group) == {"best/accuracy": (0.5, 2)}


def test_two_processes_may_write_the_same(tmp_path, monkeypatch):
    """Each finds the other's file, and the other has removed it by the time it wants to."""
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: [folder / pattern.replace("*", "gone")])
    log = HParamsLog(tmp_path, SPACE, ["accuracy"])
    log.write_search()
    log.write_trial(FIRST)
    assert [file.suffix for folder in (tmp_path, log.trial_folder(1)) for file in folder.iterdir()
            if file.is_file()] == [".hparams"] * 2


def test_a_training_in_the_same_folder_keeps_its_events(tmp_path):
    log = HParamsLog(tmp_path, SPACE, ["accuracy"])
    folder = log.trial_folder(1)
    folder.mkdir()
    (folder / "events.out.tfevents.1.host.v2").write_bytes(b"")
    log.write_trial(FIRST)
    log.write_trial(FIRST)
    assert len(list(folder.iterdir())) == 2
