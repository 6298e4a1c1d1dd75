"""What TensorBoard is given of a run, as a real server tells it: of one that was killed and resumed while it looked."""

import html
import io
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from tests.conformance.processes import REPOSITORY, command, last_arrays
from tests.tensorboard_server import tensorboard
from tests.workflows.test_train import small_train
from tfpt.errors import DataError
from tfpt.run_directory import Run
from tfpt.task import Answers
from tfpt.training.screen import Screen
from tfpt.workflows.run_events import answers_within, log_beginning, log_best

TASK, EPOCHS = "image_classification", 4
SETTINGS = ("train.checkpoint_seconds=1e9", f"train.epochs={EPOCHS}", "freeze.head_epochs=1",
            "tensorboard.histograms=true")
SERIES = {"train": ["accuracy", "learning_rate/head", "loss"], "validation": ["accuracy", "loss"]}


def kill_after(run_dir, epochs):
    """SIGKILL once so many epochs are in the charts; what was saved last is lost, so that one of them is done again."""
    with subprocess.Popen(command(TASK, run_dir, *SETTINGS), cwd=REPOSITORY, stderr=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 200
            while len(read_steps(run_dir.parent / "tensorboard" / "run" / "validation", "loss")) < epochs:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGKILL)
    _, *newer = sorted((run_dir / "checkpoints").iterdir())
    for checkpoint in newer:
        shutil.rmtree(checkpoint)


def read_steps(folder, tag):
    """Those that TensorBoard's slow loader finds (``--load_fast=false``)."""
    if not folder.is_dir():
        return []
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return [event.step for event in events.Tensors(tag)] if tag in events.Tags()["tensors"] else []


@dataclass
class Told:
    """What the server says of the resumed run: of ``series`` the steps, by plugin, run and tag."""

    folder: Any
    before: list[int]
    run: Run
    series: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    images: dict[tuple[str, str], Image.Image] = field(default_factory=dict)
    curves: dict[str, dict[str, Any]] = field(default_factory=dict)
    text: str = ""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    root = tmp_path_factory.mktemp("resumed")
    run_dir = root / "run"
    kill_after(run_dir, epochs=3)
    with tensorboard(root / "tensorboard") as server:
        steps_of = partial(scalar_steps, server, "run/validation", "loss")
        found = Told(root / "tensorboard" / "run", server.wait_for(steps_of, "any epoch"), Run(run_dir))
        subprocess.run(command(TASK, run_dir, *SETTINGS, "--resume"), cwd=REPOSITORY, check=True, timeout=300,
                       capture_output=True)
        server.wait_for(lambda: steps_of()[-1] == EPOCHS and "run/best" in server.ask("pr_curves", "tags"), "the end")
        read_all(server, found)
    return found


def scalar_steps(server, run, tag):
    if tag not in server.ask("scalars", "tags").get(run, ()):
        return []
    return [point[1] for point in server.ask("scalars", "scalars", run=run, tag=tag)]


def read_all(server, found):
    for plugin in ("scalars", "histograms"):
        for run, tags in server.ask(plugin, "tags").items():
            for tag in tags:
                found.series[plugin, run, tag] = [point[1] for point in server.ask(plugin, plugin, run=run, tag=tag)]
    for run, tags in server.ask("images", "tags").items():
        for tag in tags:
            kept = server.ask("images", "images", run=run, tag=tag, sample=0)
            found.series["images", run, tag] = [each["step"] for each in kept]
            png = server.bytes("images", f"individualImage?{kept[-1]['query']}&")
            found.images[run, tag] = Image.open(io.BytesIO(png)).convert("RGB")
    for tag in server.ask("pr_curves", "tags")["run/best"]:
        kept = server.ask("pr_curves", "pr_curves", run="run/best", tag=tag)["run/best"]
        found.series["pr_curves", "run/best", tag] = [each["step"] for each in kept]
        found.curves[tag] = kept[-1]
    texts = server.ask("text", "text", run="run", tag="config")
    found.series["text", "run", "config"] = [each["step"] for each in texts]
    found.text = texts[-1]["text"]


def test_steps_that_a_resumed_run_does_again_are_shown_once(told):
    assert told.before == [1, 2, 3]
    for (plugin, run, tag), steps in told.series.items():
        assert steps == sorted(set(steps)), (plugin, run, tag)
    for part, tags in SERIES.items():
        for tag in tags:
            assert told.series["scalars", f"run/{part}", tag] == list(range(1, EPOCHS + 1))
            assert read_steps(told.folder / part, tag) == list(range(1, EPOCHS + 1))  # the other loader
    assert len(list((told.folder / "train").iterdir())) == 2  # of each process one: the first has steps that are void


def test_histograms_are_of_the_weights_that_train_in_each_epoch(told):
    steps = {tag: steps for (plugin, _, tag), steps in told.series.items() if plugin == "histograms"}
    assert steps["head_dense_1/kernel"] == [1, 2, 3, 4] and steps["block_16_project/kernel"] == [2, 3, 4]
    assert read_steps(told.folder / "train", "block_16_project/kernel") == [2, 3, 4]
    assert not any(tag.startswith("Conv1") for tag in steps)


def test_the_config_is_there_as_text(told):
    code = html.unescape(told.text.partition("<code>")[2].partition("</code>")[0])
    assert yaml.safe_load(code) == yaml.safe_load(told.run.config_file.read_text())


def test_there_are_pictures_of_training_and_of_what_the_best_model_says(told):
    assert set(told.images) == {("run", "training/as_the_model_sees_them"),
                                ("run/best", "validation/confusion_matrix"), ("run/best", "validation/worst")}
    best = told.run.manifest()["best_epoch"]
    for (run, tag), picture in told.images.items():
        assert told.series["images", run, tag] == [0 if run == "run" else best]
        assert min(picture.size) > 300 and len(picture.getcolors(10**6)) > 50, tag


def test_the_curves_are_of_the_classes_and_of_one_set_of_answers(told):
    """On a slow machine not of all of validation: there may be classes without examples."""
    micro = told.curves.pop("precision_recall/all classes together (micro)")
    assert told.curves.keys() <= {f"precision_recall/{name}" for name in told.run.labels_file.read_text().split()}
    counts = {curve["true_positives"][0] + curve["false_positives"][0] for curve in told.curves.values()}
    examples = sum(curve["true_positives"][0] for curve in told.curves.values())
    assert counts == {examples} and 0 < examples <= told.run.manifest()["data"]["validation"]
    assert micro["true_positives"][0] == examples and micro["recall"][0] == 1


def test_a_tensorboard_that_shows_nothing_more_changes_no_bit(tmp_path):
    small_train(tmp_path, run_dir=str(tmp_path / "more"), settings={"tensorboard.histograms": True})
    small_train(tmp_path, run_dir=str(tmp_path / "less"), settings={"tensorboard.pictures": False})
    assert last_arrays(tmp_path / "more") == last_arrays(tmp_path / "less")
    assert (tmp_path / "more" / "metrics.jsonl").read_text() == (tmp_path / "less" / "metrics.jsonl").read_text()
    logs = tmp_path / "tensorboard" / "less"
    assert sorted(path.name for path in logs.iterdir() if path.is_dir()) == ["train", "validation"]
    assert EventAccumulator(str(logs)).Reload().Tags()["tensors"] == ["config"]


# What may go wrong


def job_in(folder, stream, **task):
    config = SimpleNamespace(tensorboard=SimpleNamespace(pictures=True))
    splits = SimpleNamespace(train=[], validation=range(3), metadata={"class_names": ["a", "b"]})
    return SimpleNamespace(task=SimpleNamespace(**{"show_training": None, "answers": None, **task}), config=config,
                           splits=splits, tensorboard=folder, screen=Screen(stream))


@pytest.fixture
def plain_config(monkeypatch):
    monkeypatch.setattr("tfpt.workflows.run_events.to_yaml", lambda config: "a: 1\n")


def test_without_room_for_pictures_a_line_says_so(tmp_path, plain_config):
    (tmp_path / "file").write_text("")
    stream = io.StringIO()
    log_beginning(job_in(tmp_path / "file" / "logs", stream))
    assert stream.getvalue() == f"watch     no pictures in {tmp_path}/file/logs: Not a directory\n"


def test_examples_that_are_gone_cost_the_pictures_alone(tmp_path, plain_config):
    def gone(*_):
        raise DataError("one.jpg was there\nbut is gone.")

    stream = io.StringIO()
    job = job_in(tmp_path / "logs", stream, show_training=gone, answers=gone)
    job.splits.validation = SubsetOf(range(3))
    log_beginning(job)
    log_best(job, None, SimpleNamespace(state=SimpleNamespace(best={"epoch": 1}, wall_seconds={})), 0.1)
    assert stream.getvalue().splitlines() == [
        f"watch     no pictures in {tmp_path}/logs: one.jpg was there but is gone.",
        f"watch     no pictures in {tmp_path}/logs/best: one.jpg was there but is gone."]


def test_a_task_without_pictures_has_none(tmp_path, plain_config):
    job = job_in(tmp_path / "logs", io.StringIO())
    log_beginning(job)
    log_best(job, None, SimpleNamespace(state=SimpleNamespace(best={"epoch": 1}, wall_seconds={})), 0.1)
    assert EventAccumulator(str(tmp_path / "logs")).Reload().Tags()["tensors"] == ["config"]
    assert not (tmp_path / "logs" / "best").exists()


class SubsetOf(list):
    def subset(self, indices):
        return SubsetOf([self[index] for index in indices])


@pytest.mark.parametrize("seconds_each, examples", [(0.0, 1000), (0.01, 100), (0.05, 20)])
def test_a_slow_model_is_asked_of_as_many_examples_as_the_time_allows(monkeypatch, seconds_each, examples):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("tfpt.workflows.run_events.time", SimpleNamespace(monotonic=lambda: clock.now))

    def answers(config, model, source):
        clock.now += seconds_each * len(source)
        return Answers(np.array([[number, 0] for number in source]), np.array(source))

    found, indices = answers_within(1.0, SimpleNamespace(answers=answers), None, None, SubsetOf(range(1000)), 0.05)
    assert abs(len(indices) - examples) <= 1 and len(set(indices)) == len(indices)
    assert found.labels.tolist() == indices.tolist() == found.probabilities[:, 0].tolist()
