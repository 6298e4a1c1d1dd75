"""The image classifier: pixels, scaling, backbone, pooling, head; one flat functional model."""

import keras

from tfpt.config.image_classification import ImageModelConfig
from tfpt.errors import RunError
from tfpt.models.backbone import build_backbone, pixel_input
from tfpt.models.heads import POOL, classification_head


def build_classifier(model_config: ImageModelConfig, image_size: int, classes: int) -> keras.Model:
    """A classifier with random weights: float32 pixels 0–255 ``[batch, side, side, 3]`` to ``[batch, classes]``.

    The weights are a function of the seed given to ``keras.utils.set_random_seed`` just before. Raises ConfigError.
    """
    pixels = pixel_input(image_size)
    features = build_backbone(pixels, model_config.backbone, model_config.alpha)
    return keras.Model(pixels, classification_head(features, model_config.head, classes), name="classifier")


def feature_map(model: keras.Model) -> keras.KerasTensor:
    """What the head of a classifier pools: the backbone's last features, ``[batch, height, width, channels]``.

    Raises RunError if ``model`` has no such head.
    """
    pool = next((layer for layer in model.layers if layer.name == POOL), None)
    if pool is None or len(pool.input.shape) != 4:
        raise RunError(f"Expected a model whose layer {POOL} pools the features of an image, as tfpt trains them, but "
                       "found another. Bring back the model.keras that tfpt wrote, or train again.")
    return pool.input
