"""Results of trials as tests need them."""

from tfpt.tuning.trial_result import TrialResult


def completed(number, score, **values):
    return TrialResult(number, values, "completed", score, epoch=2, epochs=3,
                       metrics={"loss": 1 - score, "accuracy": score}, why=None, wall_seconds=6.2,
                       run=f"trials/{number:04d}")


def failed(number, why="loss not finite at epoch 2", **values):
    return TrialResult(number, values, "failed", None, epoch=None, epochs=1, metrics={}, why=why, wall_seconds=2.0,
                       run=f"trials/{number:04d}")
