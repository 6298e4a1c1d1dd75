"""Config sections that more than one task uses: freezing, optimizer, training, the prefix cache, TensorBoard."""

from dataclasses import dataclass
from typing import Literal

from tfpt.config.fields import setting


@dataclass(frozen=True)
class PhaseConfig:
    """One step of a freeze schedule, in force from ``from_epoch`` until the next phase begins."""

    from_epoch: int = setting(1, "first epoch of this phase, counted from 1", minimum=1)
    unfreeze: int | str = setting(0, "0 (the head alone), N (the last N units), a block's name, or all")
    backbone_rate: float | None = setting(
        None, "learning-rate multiplier of the backbone in this phase; null: freeze.backbone_rate", above=0)
    head_rate: float = setting(1.0, "learning-rate multiplier of the head in this phase", above=0)


@dataclass(frozen=True)
class FreezeConfig:
    """What trains when. ``unfreeze: 10`` is the two-phase schedule: the head first, then the last 10 units."""

    unfreeze: int | str | None = setting(
        None, "0 (the head alone), N (the last N units), a block's name, all, or scratch (everything from the first "
              "epoch, BatchNormalization included); null: 10 with pretrained weights, scratch without")
    head_epochs: int | None = setting(
        None, "epochs that train the head alone before unfreezing; null: three in ten of all epochs, three at most",
        minimum=0)
    batch_norm: Literal["frozen", "train"] = setting(
        "frozen", "whether BatchNormalization in unfrozen units trains; with scratch it always does")
    batch_norm_momentum: float = setting(
        0.99, "momentum of BatchNormalization's moving statistics where it trains; the 0.999 of Keras's MobileNets "
              "needs thousands of updates before validation means anything", minimum=0, below=1)
    backbone_rate: float = setting(0.1, "learning-rate multiplier of the unfrozen backbone", above=0)
    rate_decay: float = setting(
        1.0, "further multiplier per unit counted down from the head, the discriminative rates of ULMFiT "
             "(Howard & Ruder 2018); 1 gives all of the backbone one rate", above=0, maximum=1)
    phases: tuple[PhaseConfig, ...] | None = setting(
        None, "a schedule of your own, instead of unfreeze and head_epochs")


AUTO = "auto"
"""The learning rate that the range test suggests."""


@dataclass(frozen=True)
class OptimizerConfig:
    """A Keras optimizer and its learning rate over time."""

    name: Literal["adam", "adamw", "sgd", "rmsprop"] = setting("adam", "the optimizer, by its Keras name")
    learning_rate: float | Literal["auto"] = setting(
        0.001, "the highest learning rate, that of the head; auto: what tfpt find-lr would suggest", above=0)
    schedule: Literal["constant", "linear", "exponential", "cosine"] = setting(
        "cosine", "how the learning rate falls over the run")
    final_rate: float = setting(0.01, "the last learning rate as a fraction of the highest", minimum=0, maximum=1)
    warmup_epochs: float = setting(0.0, "epochs over which the learning rate rises linearly from 0", minimum=0)
    momentum: float = setting(0.9, "momentum of sgd and rmsprop", minimum=0, below=1)
    nesterov: bool = setting(False, "Nesterov momentum for sgd")
    weight_decay: float | None = setting(None, "decoupled weight decay (AdamW's; any optimizer)", minimum=0)
    clip_norm: float | None = setting(None, "clip the gradient's global norm to this", above=0)


@dataclass(frozen=True)
class LossConfig:
    """Cross-entropy and its modifications."""

    label_smoothing: float = setting(0.0, "share of the target spread evenly over all classes", minimum=0, below=1)
    class_weights: Literal["none", "balanced"] | dict[str, float] = setting(
        "none", "balanced (each class counts the same), or a weight per class name")
    focal_gamma: float = setting(
        0.0, "of the focal loss (Lin et al. 2017), which counts well classified examples less; 0: cross-entropy, 2 is "
             "usual", minimum=0)


@dataclass(frozen=True)
class TrainConfig:
    """The loop: how long, how much at once, at what precision, from which seed."""

    epochs: int = setting(10, "passes over the training images", minimum=1, maximum=1_000_000)
    batch_size: int = setting(32, "examples per micro-batch", minimum=1, maximum=1_000_000)
    accumulation_steps: int = setting(1, "micro-batches whose gradients are averaged into one update", minimum=1,
                                      maximum=1_000_000)
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = setting(
        "float32", "Keras dtype policy while training; weights and outputs stay float32")
    ema_decay: float | None = setting(
        None, "validate, keep and serve an exponential moving average of the weights, at most with this decay per "
              "update (0.999 is usual; early on it is less); null: the weights themselves", above=0, below=1)
    early_stopping: int | None = setting(
        None, "stop after this many epochs without a better validation loss, counted in the last phase", minimum=1)
    best_metric: Literal["loss", "accuracy"] = setting("accuracy", "validation metric by which the best model is kept")
    checkpoint_seconds: float = setting(60.0, "save at least this often within an epoch", above=0)
    seed: int = setting(0, "the seed of splits, order, augmentation, initial weights and dropout", minimum=0,
                        maximum=2 ** 32 - 1)


@dataclass(frozen=True)
class CacheConfig:
    """The prefix cache: what no gradient reaches is computed once and kept."""

    mode: Literal["auto", "memory", "disk", "off"] = setting(
        "auto", "auto (kept on disk for later runs, and in memory while training if it fits), memory (gone with the "
                "process), disk (never held in memory), or off (computed again for every batch)")
    dtype: Literal["float16", "bfloat16", "float32"] = setting(
        "float16", "type of the kept activations; where float16 can't hold a value, float32 takes its place")
    budget_mb: int = setting(4096, "what may be held in memory", minimum=0)
    max_gb: float = setting(20.0, "what all runs together keep on disk; what was used longest ago goes first",
                            minimum=0)
    fold_batch_norm: bool = setting(
        True, "compute frozen BatchNormalization as part of the convolution before it: faster, the same to rounding")


@dataclass(frozen=True)
class TensorBoardConfig:
    """What TensorBoard is given beside curves and the config."""

    pictures: bool = setting(True, "examples as training sees them, and what the best model says of validation: its "
                                   "confusion matrix, precision and recall, the worst predictions")
    histograms: bool = setting(False, "histograms of the weights that train, each epoch")
