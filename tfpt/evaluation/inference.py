"""The trained model of a run, ready for inference."""

import keras

from tfpt.errors import RunError
from tfpt.models.keras_archive import open_keras_model
from tfpt.models.weight_files import short
from tfpt.run_directory import Run, is_locked


def load_model(run: Run) -> keras.Model:
    """The run's best model, opened in safe mode, computing in float32 whatever precision it was trained at.

    Raises RunError: the run isn't finished, or its model is missing or damaged.
    """
    status = run.manifest().get("status")
    resume = f"tfpt finetune-image --resume --run-dir {run.path}"
    if status != "finished" and is_locked(run):
        raise RunError(f"The run {run.path} is being trained now, so it has no final model yet. Wait until it is done; "
                       "tfpt runs shows how it stands.")
    if status != "finished":
        raise RunError(f"The run {run.path} is not finished (its status is {status}), so it has no final model. "
                       f"Finish it with {resume}")
    if not run.model_file.is_file():
        raise RunError(f"The run {run.path} is finished, but has no {run.model_file.name}: it was deleted, or not "
                       "copied along. Bring it back, or train again.")
    try:
        model = open_keras_model(run.model_file)
    except Exception as error:  # keras raises nearly every type for a damaged file
        raise RunError(f"{run.model_file} can't be opened as a Keras model in safe mode: {short(error)}. It is "
                       "damaged, of a newer Keras, or not what a training wrote. Bring back the original, or train "
                       "again.") from error
    for layer in model.layers:
        layer.dtype_policy = "float32"
    return model
