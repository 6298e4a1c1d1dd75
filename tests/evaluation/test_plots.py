import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tfpt.errors import RunError
from tfpt.evaluation.plots import confusion_matrix_png


@pytest.mark.parametrize("classes", [2, 20, 50])
def test_a_light_picture_of_every_size_without_warnings(tmp_path, classes):
    matrix = (np.eye(classes, dtype=int) * 12000).tolist()
    names = [f"$ a rather long class name {i} 猫" for i in range(classes)]
    with warnings.catch_warnings(), matplotlib.rc_context({"axes.facecolor": "black", "figure.facecolor": "black"}):
        warnings.simplefilter("error")
        confusion_matrix_png(matrix, names, tmp_path / "matrix.png")
    with Image.open(tmp_path / "matrix.png") as image:
        assert image.getpixel((0, 0))[:3] == (255, 255, 255)
        assert 300 < image.width < 2500 and 0.7 < image.width / image.height < 1.4
    assert [file.name for file in tmp_path.iterdir()] == ["matrix.png"]


def test_an_empty_row_is_no_error(tmp_path):
    confusion_matrix_png([[0, 0], [1, 2]], ["a", "b"], tmp_path / "matrix.png")
    assert (tmp_path / "matrix.png").stat().st_size > 1000


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RunError, match="matrix.png"):
        confusion_matrix_png([[1]], ["a"], tmp_path / "nowhere" / "matrix.png")
