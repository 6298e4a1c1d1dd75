"""The image classifier: pixels, scaling, backbone, pooling, head; one flat functional model."""

import keras

from tfpt.config.image_classification import ImageModelConfig
from tfpt.models.backbone import build_backbone, pixel_input
from tfpt.models.heads import classification_head


def build_classifier(model_config: ImageModelConfig, image_size: int, classes: int) -> keras.Model:
    """A classifier with random weights: float32 pixels 0–255 ``[batch, side, side, 3]`` to ``[batch, classes]``.

    The weights are a function of the seed given to ``keras.utils.set_random_seed`` just before. Raises ConfigError.
    """
    pixels = pixel_input(image_size)
    features = build_backbone(pixels, model_config.backbone, model_config.alpha)
    return keras.Model(pixels, classification_head(features, model_config.head, classes), name="classifier")
