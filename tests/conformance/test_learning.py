"""Every task learns what can be learnt: eight examples by heart; and its artefacts reload elsewhere."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.conformance.processes import finish
from tfpt.config.loading import load_config
from tfpt.registry import TASKS, get_task


from tfpt.evaluation.inference import load_model
from tfpt.evaluation.predictions import predict_probabilities
from tfpt.run_directory import find_run
from tfpt.task import Question
from tfpt.workflows.evaluate import evaluate
from tfpt.workflows.explain import METHODS


@pytest.fixture(scope="module", params=sorted(TASKS))
def finished(request, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("finished") / "run"
    printed = finish(request.param, run_dir)
    return find_run(run_dir), json.loads(printed)


def test_the_run_directory_holds_what_design_says(finished):
    run, scores = finished
    for file in (run.config_file, run.manifest_file, run.metrics_file, run.model_file, run.backbone_file,
                 run.backbone_description_file, run.labels_file, run.evaluation / "test.json"):
        assert file.stat().st_size > 0, file
    lines = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    manifest = run.manifest()
    assert manifest["metrics"]["test"] == scores and set(manifest["wall_seconds"]) >= {"total", "data", "train"}


def test_predict_answers_for_every_example(finished):
    run, _ = finished
    manifest = run.manifest()
    task = get_task(manifest["task"])
    config = load_config(task.config_class, recipe=run.config_file)
    source = task.sources(config).test
    lines = list(task.predict(config, load_model(run), source, manifest["metadata"], 3))
    assert len(lines) == len(source) and all("input" in line for line in lines)


def test_evaluate_in_another_process_repeats_the_scores(finished):
    run, scores = finished
    assert evaluate(run)["loss"] == scores["loss"]


def test_an_example_can_be_looked_at_and_has_a_name(finished):
    run, _ = finished
    task = get_task(run.manifest()["task"])
    source = task.sources(load_config(task.config_class, recipe=run.config_file)).test
    shown = task.show(source, 0)
    assert isinstance(shown, str) or (shown.dtype == np.uint8 and shown.ndim == 3 and shown.shape[-1] == 3)
    assert len(source.names) == len(source) and source.names[0]


def test_every_example_is_explained_if_any_is(finished):
    run, _ = finished
    manifest = run.manifest()
    task = get_task(manifest["task"])
    if task.explain is None:
        return
    config = load_config(task.config_class, recipe=run.config_file)
    source = task.sources(config).test
    question = Question(METHODS["both"], steps=2)
    found = list(task.explain(config, load_model(run), source, manifest["metadata"], question))
    answers = list(task.predict(config, load_model(run), source, manifest["metadata"], 1))
    assert [manifest["metadata"]["class_names"][explanation.class_index] for explanation in found] == [
        answer["label"] for answer in answers]
    for explanation in found:
        assert all(heat.ndim == 2 and np.isfinite(heat).all() for heat in explanation.maps.values())


def test_a_fresh_process_without_tfpt_gives_the_same_numbers(finished):
    run, _ = finished
    task = get_task(run.manifest()["task"])
    config = load_config(task.config_class, recipe=run.config_file)
    batches = task.eval_batches(config, task.sources(config).test)
    ours = predict_probabilities(load_model(run), batches)
    inputs = np.concatenate([next(value for name, value in batch.items() if name != "label").numpy()
                             for batch in batches])
    np.save(run.path / "inputs.npy", inputs)
    code = ("import sys, numpy, keras; model = keras.saving.load_model(sys.argv[1]); "
            "numpy.save(sys.argv[3], model.predict(numpy.load(sys.argv[2]), verbose=0)); "
            "assert 'tfpt' not in sys.modules")
    place = [str(run.model_file), str(run.path / "inputs.npy"), str(run.path / "outputs.npy")]
    subprocess.run([sys.executable, "-c", code, *place], check=True, cwd=run.path, capture_output=True)
    np.testing.assert_allclose(np.load(place[2]), ours, atol=1e-5)


@pytest.mark.parametrize("task_name", sorted(TASKS))
def test_a_few_examples_are_learnt_by_heart(task_name, tmp_path):
    finish(task_name, tmp_path / "run", recipe="by_heart")
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["loss"] < 0.1, last
