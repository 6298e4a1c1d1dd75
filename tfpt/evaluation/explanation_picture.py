"""An explanation to look at, as a PNG file: the example, and beside it what speaks for a class in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.evaluation.figures import plain_text, save_figure, shortened
from tfpt.task import GRAD_CAM, INTEGRATED_GRADIENTS

TITLES = {GRAD_CAM: "Grad-CAM", INTEGRATED_GRADIENTS: "integrated gradients"}
COLOURS = "inferno"  # perceptually uniform
PANEL_INCHES, TEXT_INCHES = 3.0, 0.6
PANEL_PIXELS = 360
LONGEST_NAME = 40
STRONGEST_SHARE = 0.995  # of pixels; the few above are drawn alike, or the others would be dark
IMAGE_SHARE = 0.4  # of the colour that is the image's, where nothing speaks for the class


def explanation_png(image: np.ndarray, maps: Mapping[str, np.ndarray], answer: Mapping[str, Any], name: str,
                    file: Path) -> None:
    """Draw ``image``, uint8 ``[height, width, 3]``, and each of ``maps`` over it, to ``file``, atomically.

    ``maps`` are float ``[rows, columns]`` by method, stretched over the image; what is negative isn't shown, and each
    has its own scale. ``answer`` holds ``label`` and ``score`` of the likeliest class, ``class`` and ``class_score`` of
    the one that the maps are of. Raises RunError if the file can't be written.
    """
    small = _small(image)
    panels = [(small, shortened(name, LONGEST_NAME))]
    for method, heat in maps.items():
        strength = _strength(heat, *small.shape[:2])
        nothing = "" if strength.any() else ": nothing speaks for it"
        panels.append((_overlay(small, strength), TITLES[method] + nothing))
    save_figure(lambda figure: _draw(figure, panels, _title(answer)), file)


def _title(answer: Mapping[str, Any]) -> str:
    said = f"{shortened(answer['label'])} {answer['score']:.2f}"
    if answer["class"] == answer["label"]:
        return said
    return f"what speaks for {shortened(answer['class'])} {answer['class_score']:.2f}, said {said}"


def _small(image: np.ndarray) -> np.ndarray:
    """``image`` at the size of a panel, its longer side, whatever size it has."""
    from PIL import Image

    height, width = image.shape[:2]
    scale = PANEL_PIXELS / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(image).resize(size, way))


def _strength(heat: np.ndarray, height: int, width: int) -> np.ndarray:
    """The positive part of ``heat``, 0 to 1, float32 ``[height, width]``."""
    from PIL import Image

    positive = np.maximum(heat, 0).astype(np.float32)
    stretched = np.asarray(Image.fromarray(positive).resize((width, height), Image.Resampling.BILINEAR))
    most = np.quantile(stretched, STRONGEST_SHARE) or stretched.max()
    return np.clip(stretched / most, 0, 1) if most > 0 else np.zeros_like(stretched)


def _overlay(image: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """``strength`` in colour over ``image`` in grey, float ``[height, width, 3]``, 0 to 1."""
    import matplotlib

    grey = (image @ np.array([0.299, 0.587, 0.114]) / 255)[..., None]
    share = IMAGE_SHARE * (1 - strength[..., None])
    return share * grey + (1 - share) * matplotlib.colormaps[COLOURS](strength)[..., :3]


def _draw(figure: Any, panels: list[tuple[np.ndarray, str]], title: str) -> None:
    height, width = panels[0][0].shape[:2]
    inches = PANEL_INCHES / max(height, width)
    figure.set_size_inches(max(3.0, inches * width + 0.1) * len(panels), inches * height + TEXT_INCHES)
    plain_text([figure.suptitle(title, fontsize=11)])
    for axes, (picture, text) in zip(figure.subplots(1, len(panels), squeeze=False).ravel(), panels):
        axes.imshow(picture, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        plain_text([axes.set_xlabel(text, fontsize=8)])
