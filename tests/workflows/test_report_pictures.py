import numpy as np
import pytest

from tests.workflows.told_runs import answers_of, hashes, write_told_run
from tfpt.errors import RunError
from tfpt.evaluation.stored_predictions import StoredPredictions, write_predictions
from tfpt.workflows.evaluate import evaluate
from tfpt.workflows.report_pictures import draw_missing_pictures

RIGHT = [True, False] * 6
LABELS = [0, 1] * 6


@pytest.mark.parametrize("labels, right, classes", [
    ([0, 1, 2] * 4, [True] * 12, 3), (LABELS[:10], RIGHT[:10], 2), ([0] * 12, RIGHT, 2), (LABELS, [True] * 12, 2)])
def test_predictions_of_another_model_are_not_drawn(tmp_path, labels, right, classes):
    run = write_told_run(tmp_path / "told-0001", RIGHT, labels=LABELS)
    write_predictions(StoredPredictions(answers_of(labels, right, classes), hashes(range(len(labels))), hashes([])),
                      run.predictions_file)
    with pytest.raises(RunError, match="test.json.*test_predictions.npz.*one evaluation.*tfpt evaluate .*told-0001"):
        draw_missing_pictures(run)
    assert not (run.evaluation / "roc.png").exists()


def test_the_worst_of_a_test_that_is_not_the_runs_are_not_looked_up(run, tmp_path):
    evaluate(run)
    (run.evaluation / "worst.png").unlink()
    other = write_told_run(tmp_path / "other-0001", [False] * 500, class_names=["dark", "light"])
    for file in ("test.json", "test_predictions.npz"):
        (other.evaluation / file).replace(run.evaluation / file)
    why, = draw_missing_pictures(run)
    assert "worst predictions can't be shown" in why and "500" in why
    assert not (run.evaluation / "worst.png").exists() and (run.evaluation / "roc.png").exists()


def test_what_belongs_together_is_drawn(run):
    shown = evaluate(run)
    (run.evaluation / "worst.png").unlink()
    assert draw_missing_pictures(run) == [] and (run.evaluation / "worst.png").exists()
    assert np.sum(shown["confusion_matrix"]) == shown["examples"]
