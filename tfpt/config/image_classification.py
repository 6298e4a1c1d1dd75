"""Config of the task image_classification."""

from dataclasses import dataclass
from typing import Literal

from tfpt.config.fields import setting
from tfpt.config.shared import (
    CacheConfig, FreezeConfig, LossConfig, OptimizerConfig, TensorBoardConfig, TrainConfig)

BUNDLED_DIGITS = "bundled:digits"


@dataclass(frozen=True)
class ImageDataConfig:
    """Where the images are and how they are split."""

    path: str = setting(BUNDLED_DIGITS, "a folder with a folder per class, a folder with train/ and test/ of those, "
                                        "a CSV with path,label, idx files, tfds:NAME[:config][@split] of TensorFlow "
                                        "Datasets, or bundled:digits")
    data_dir: str | None = setting(None, "where data sets of TensorFlow Datasets are prepared; null: TFDS_DATA_DIR, "
                                         "else ~/tensorflow_datasets")
    validation: float = setting(0.15, "share of the images kept for validation, if the data has no split of its own",
                                above=0, below=1)
    test: float = setting(0.15, "share of the images kept for the test, if the data has no split of its own",
                          above=0, below=1)
    train_per_class: int | None = setting(None, "train on this many images of each class only", minimum=1)
    image_size: int | None = setting(
        None, "side in pixels; null: what the weights were trained at, else the backbone's usual one", minimum=1,
        maximum=4096)
    on_bad_image: Literal["leave_out", "fail"] = setting("leave_out", "what to do with images that can't be read")
    seed: int | None = setting(None, "the seed of the split and of the augmented views; null: train.seed", minimum=0,
                               maximum=2 ** 32 - 1)
    memory_mb: int = setting(2048, "decoded images are kept in memory up to this size, and decoded each epoch above it",
                             minimum=0)


@dataclass(frozen=True)
class HeadConfig:
    """What stands on the pooled backbone, before the softmax."""

    units: tuple[int, ...] = setting((128,), "width of each hidden layer", minimum=1, maximum=65536)
    activation: Literal["relu", "gelu", "silu", "tanh", "elu", "selu", "linear"] = setting(
        "relu", "activation of the hidden layers")
    dropout: float = setting(0.2, "dropout rate after pooling", minimum=0, below=1)
    l1: float = setting(0.0, "L1 penalty on the head's kernels", minimum=0)
    l2: float = setting(0.0, "L2 penalty on the head's kernels", minimum=0)


@dataclass(frozen=True)
class ImageModelConfig:
    """The backbone, its weights and the head on it."""

    backbone: str = setting("MobileNetV2", "the backbone's name in keras.applications; tfpt backbones lists them")
    alpha: float | None = setting(None, "width multiplier; null: that of the weights, else 1.0", above=0, maximum=10)
    weights: str | None = setting(
        None, "imagenet, bundled, none, a run, a .keras or a .weights.h5 file of the backbone; "
              "null: bundled with bundled:digits, else imagenet")
    head: HeadConfig = HeadConfig()


@dataclass(frozen=True)
class RandAugmentConfig:
    """RandAugment (Cubuk et al. 2020): operations drawn from fourteen, such as rotate, equalize and sharpness."""

    operations: int = setting(0, "operations per image, one after the other; 0: off, 2 is usual", minimum=0,
                              maximum=16)
    magnitude: float = setting(9.0, "how far each goes: 0 changes next to nothing, 10 is the farthest", minimum=0,
                               maximum=10)


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of the training images, drawn from (seed, image, view); of mixing, from (seed, epoch, step)."""

    flip: bool = setting(True, "mirror left and right")
    rotation: float = setting(0.0, "turn by up to this share of a full turn, either way", minimum=0, maximum=0.5)
    zoom: float = setting(0.0, "zoom by up to this share, in or out", minimum=0, below=1)
    contrast: float = setting(0.0, "change contrast by up to this share", minimum=0, below=1)
    randaugment: RandAugmentConfig = RandAugmentConfig()
    erasing: float = setting(
        0.0, "probability of a rectangle of noise in the image (Zhong et al. 2020); 0: off, 0.5 is theirs", minimum=0,
        maximum=1)
    mixup: float = setting(
        0.0, "blend each image of a batch with another, by shares from Beta(mixup, mixup) (Zhang et al. 2018); 0: off, "
             "0.2 is usual; switches the prefix cache off", minimum=0, maximum=1000)
    cutmix: float = setting(
        0.0, "put a rectangle of another image of the batch into each, its area from Beta(cutmix, cutmix) (Yun et al. "
             "2019); 0: off, 1 is usual; with mixup one of both per batch; switches the prefix cache off", minimum=0,
        maximum=1000)
    views: int = setting(4, "different views of an image that training draws from; 0: a fresh one every epoch",
                         minimum=0, maximum=1024)


@dataclass(frozen=True)
class ImageClassificationConfig:
    """Everything that decides an image classification run."""

    data: ImageDataConfig = ImageDataConfig()
    model: ImageModelConfig = ImageModelConfig()
    freeze: FreezeConfig = FreezeConfig()
    augment: AugmentConfig = AugmentConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()
    cache: CacheConfig = CacheConfig()
    tensorboard: TensorBoardConfig = TensorBoardConfig()


PRETRAIN_SETTINGS = {"model.weights": "none", "freeze.unfreeze": "scratch"}
"""What makes a training a pretraining: no weights to begin with, everything trains from the first epoch."""
