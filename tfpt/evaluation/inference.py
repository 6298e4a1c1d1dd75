"""The trained model of a run, ready for inference."""

import keras

from tfpt.errors import RunError
from tfpt.evaluation.finished import require_finished
from tfpt.models.keras_archive import open_keras_model
from tfpt.models.weight_files import short
from tfpt.run_directory import Run


def load_model(run: Run) -> keras.Model:
    """The run's best model, opened in safe mode, computing in float32 whatever precision it was trained at.

    Raises RunError: the run isn't finished, or its model is missing or damaged.
    """
    require_finished(run)
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
