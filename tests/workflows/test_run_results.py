import json
import os

import numpy as np
import pytest

from tfpt.errors import RunError
from tfpt.evaluation.classification import classification_scores
from tfpt.run_directory import Run
from tfpt.workflows.run_results import has_shape, read_epochs, read_phases, read_test_scores


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


@pytest.mark.parametrize("value, shape, fits", [
    (1, int, True), (True, int, False), (True, bool, True), (1.5, int, False), (1, (int, float), True),
    (float("inf"), float, False), (float("nan"), (float, type(None)), False), (None, (float, type(None)), True),
    ([1, 2], [int], True), ([1, "2"], [int], False), ([], [int], True), ({}, [int], False), ("ab", [str], False),
    (2**63, int, False), (-2**63, int, True), (10**400, (int, float), False),
    ({"a": 1, "b": 2}, {"a": int}, True), ({"b": 2}, {"a": int}, False), ([{"a": [[1]]}], [{"a": [[int]]}], True)])
def test_shapes(value, shape, fits):
    assert has_shape(value, shape) is fits


def test_epochs_are_read_and_may_be_missing(run):
    assert read_epochs(run) == []
    lines = [{"epoch": 1, "phase": 1, "loss": 0.5}, {"epoch": 2, "phase": 1, "loss": None}]
    run.metrics_file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_epochs(run) == lines


@pytest.mark.parametrize("text", [
    "[]", "{}", '{"epoch": 2}', '{"epoch": 1, "loss": "low"}', '{"epoch": 1}\n{"epoch": 1}', '{"epoch": true}',
    '{"epoch": 1, "loss": Infinity}', "no JSON", '{"a":' * 100_000])
def test_what_is_no_list_of_epochs_is_refused(run, text):
    run.metrics_file.write_text(text)
    with pytest.raises(RunError, match="metrics.jsonl"):
        read_epochs(run)


def test_a_pipe_in_the_place_of_epochs_is_refused(run):
    os.mkfifo(run.metrics_file)
    with pytest.raises(RunError, match="it is no file"):
        read_epochs(run)


def test_phases():
    phase = {"from_epoch": 1, "to_epoch": 2, "unfreeze": 0, "units": 3, "batch_norm": "frozen", "head_rate": 1,
             "backbone_rate": 0.1, "trainable_parameters": 5}
    assert read_phases({"phases": [phase]}) == [phase] and read_phases({}) == []
    for wrong in (7, [1], [{**phase, "unfreeze": "all"}]):
        with pytest.raises(RunError, match="phases"):
            read_phases({"phases": wrong})


BIN = {"from": 0, "to": 1, "examples": 3, "confidence": 0.5, "accuracy": 0.5}
WORST = {"index": 2, "name": "a", "truth": "a", "predicted": "b", "score": 0.5, "truth_score": 0.5, "loss": 1}


def scores(**changes):
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)
    return {**classification_scores(probabilities, np.array([0, 1, 1]), ["a", "b"]), "worst": [], **changes}


def test_scores_are_read_and_may_be_missing(run):
    assert read_test_scores(run) is None
    run.evaluation.mkdir()
    (run.evaluation / "test.json").write_text(json.dumps(scores()))
    assert read_test_scores(run) == scores()


@pytest.mark.parametrize("changes", [
    {"confidence_bins": [BIN]}, {"worst": [WORST]},
    {"confidence_bins": [BIN, {**BIN, "examples": 0, "confidence": None, "accuracy": None}]}])
def test_scores_of_other_bins_and_examples_are_read(run, changes):
    run.evaluation.mkdir()
    (run.evaluation / "test.json").write_text(json.dumps(scores(**changes)))
    assert read_test_scores(run) == scores(**changes)


@pytest.mark.parametrize("changes", [
    {"accuracy": "high"}, {"class_names": ["a"]}, {"class_names": [1, 2]}, {"confusion_matrix": [[1, 2], [3]]},
    {"confusion_matrix": [[1, -2], [3, 4]]}, {"per_class": []}, {"intervals": {"accuracy": [1]}}, {"intervals": None},
    {"intervals": {"accuracy": [0, "1"]}}, {"confidence_bins": []}, {"worst": [{"name": "a"}]}, {"notes": "none"},
    {"confidence_bins": [{"from": 0, "to": 1, "examples": 0, "confidence": 1, "accuracy": None}]},
    {"confidence_bins": [{**BIN, "examples": 0}, {**BIN, "examples": 3}]},
    {"confidence_bins": [{**BIN, "accuracy": None}]}, {"confidence_bins": [{**BIN, "confidence": None}]},
    {"confidence_bins": [{**BIN, "examples": -5}, {**BIN, "examples": 8}]},
    {"confidence_bins": [{**BIN, "examples": -5, "confidence": None, "accuracy": None}, {**BIN, "examples": 8}]},
    {"confidence_bins": [{**BIN, "examples": 4}]}, {"confusion_matrix": [[10**200, 0], [0, 1]]},
    {"confusion_matrix": [[2**62, 2**62], [2**62, 2**62]]}, {"confusion_matrix": [[1, 1], [1, 1]]}, {"examples": -3},
    {"worst": [{**WORST, "index": 3}]}, {"worst": [{**WORST, "index": -1}]}, {"accuracy": 10**300}])
def test_what_are_no_scores_is_refused(run, changes):
    run.evaluation.mkdir()
    (run.evaluation / "test.json").write_text(json.dumps(scores(**changes)))
    with pytest.raises(RunError, match="test.json the scores.*tfpt evaluate"):
        read_test_scores(run)
