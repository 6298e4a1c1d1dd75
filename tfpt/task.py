"""The Task contract: all that the layers below know of a task, as a frozen dataclass of plain functions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np


class Source(Protocol):
    """Indexed examples. Order, augmentation and splits are functions of the index and the content's hash."""

    def __len__(self) -> int: ...

    def load(self, index: int) -> Any:
        """The example as the task's pipeline first sees it (an image: uint8 ``[height, width, 3]``)."""

    def content_hash(self, index: int) -> str:
        """sha256 of the stored bytes, in hexadecimal."""

    def subset(self, indices: "np.ndarray[Any, Any]") -> "Source":
        """The examples at ``indices``, in that order."""

    @property
    def names(self) -> Sequence[str]:
        """What the user knows each example as: a file's path, or such as ``reviews.csv[17]``."""


@dataclass(frozen=True)
class LeftOut:
    """An input that is not used, and why."""

    path: str
    why: str


@dataclass(frozen=True)
class Splits:
    """The three disjoint parts of a data set, and what the model builder must know of it.

    ``metadata`` is JSON-able (an image data set: ``class_names``, ``image_size``); ``fingerprint`` is a hash over
    contents, labels and split membership; ``summary`` is the plan's line about the data.
    """

    train: Any
    validation: Any
    test: Any
    metadata: Mapping[str, Any]
    fingerprint: str
    summary: str
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class Unit:
    """What freezing counts: one backbone layer, one Transformer block… ``layers`` are Keras layers."""

    name: str
    layers: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Visits:
    """Examples in the order in which they are seen: int64 ``[n]`` each.

    ``view`` numbers the augmented views of an example; it is 0 throughout if the examples are not ``augmented``.
    """

    index: "np.ndarray[Any, Any]"
    view: "np.ndarray[Any, Any]"
    augmented: bool

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, chosen: Any) -> "Visits":
        """The visits of a slice, or of an array of places."""
        return Visits(self.index[chosen], self.view[chosen], self.augmented)


def join_visits(parts: "Sequence[Visits]") -> Visits:
    """One after the other; all of them augmented or none."""
    import numpy as np

    return Visits(np.concatenate([part.index for part in parts]), np.concatenate([part.view for part in parts]),
                  parts[0].augmented)


@dataclass(frozen=True)
class ReusableInputs:
    """What the prefix cache must know of a task whose inputs come again, from its config and a source.

    The batches that ``Task.train_batches`` and ``Task.eval_batches`` give are those of the visits, in order.
    """

    name: str  # the input's key in a batch
    views: Callable[[Any], int]  # different views of an example; 0: a fresh one every epoch, so that none comes again
    train_visits: Callable[[Any, Any, int], Visits]  # (config, source, epoch)
    eval_visits: Callable[[Any, Any], Visits]
    inputs: Callable[[Any, Any, Visits, int], Any]  # (…, visits, batch size) -> a tf.data.Dataset of the inputs alone
    targets: Callable[[Any, Any, Visits], Mapping[str, Any]]  # what a batch holds beside the input, an array each
    keys: Callable[[Any, Any, Visits], Any]  # uint8 [n, 16]: a hash of all that an input is made of
    update_size: Callable[[Any], int]  # examples in a training batch
    eval_size: Callable[[Any], int]
    obstacle: Callable[[Any], str] = lambda config: ""  # why, with this config, training inputs don't come again at all


@dataclass(frozen=True)
class StepContext:
    """What a step may use. ``forward(inputs)`` runs the frozen part at ``training=False``, the rest at ``True``;
    ``infer(inputs)`` runs all of it at ``False``. Both take what stands under the input's name in a batch.

    ``optimizers`` and ``trainable`` share their keys: the optimizer's name, and the variables that it trains in
    the present phase.
    """

    config: Any
    metadata: Mapping[str, Any]
    model: Any
    forward: Callable[[Any], Any]
    infer: Callable[[Any], Any]
    optimizers: Mapping[str, Any]
    trainable: Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Adjustment:
    """How a model that is built and traced is changed to another value of a setting.

    Values of one ``kind`` can be changed into each other by ``apply(model, value)``.
    """

    kind: Callable[[Any], Any]
    apply: Callable[[Any, Any], None]


@dataclass(frozen=True)
class TensorInfo:
    """A named tensor of a signature: NumPy's name of its dtype (``bytes`` for text and files), its shape with None
    where any size will do (the first is the batch), and what it holds, in a sentence for clients.
    """

    dtype: str
    shape: tuple[int | None, ...]
    about: str
    media: str = ""  # of bytes: image, audio… for files, which go as base64 in JSON; text for what goes as it is


@dataclass(frozen=True)
class Signature:
    """One way to call a served model: ``call`` takes tensors by the names of ``inputs`` and returns a mapping with the
    names of ``outputs``. It can be traced, and rows of a batch don't depend on each other.
    """

    about: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    call: Callable[..., Mapping[str, Any]]


@dataclass(frozen=True)
class ServedModel:
    """All that an export holds of a model: no variables, no Keras."""

    signatures: Mapping[str, Signature]  # serving_default among them
    network: Signature  # numbers in and out, no files or text: what other formats can hold
    beyond_network: str  # what clients of the network must do themselves, such as "decoding and resizing image files"
    clients_must: tuple[str, ...]  # what clients of serving_default must do, a sentence each
    assets: Mapping[str, str]  # file name -> text


@dataclass(frozen=True)
class Requests:
    """What clients would send to ``serving_default`` for the examples of a source.

    ``inputs(first, stop)`` gives those of a range of examples by input name: a list of bytes, or an array.
    ``converted`` counts the examples that go in another form than their file has, as clients have to do it too.
    """

    inputs: Callable[[int, int], Mapping[str, Any]]
    converted: int


@dataclass(frozen=True, eq=False)
class Answers:
    """What a classifier said: float32 ``probabilities`` ``[examples, classes]``; int32 ``labels`` ``[examples]``, the
    true classes.
    """

    probabilities: "np.ndarray[Any, Any]"
    labels: "np.ndarray[Any, Any]"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What ``Task.report`` makes of a source: ``scores``, JSON-able; if it classifies, the ``answers`` scored, of which
    pictures are drawn and runs are compared.
    """

    scores: dict[str, Any]
    answers: Answers | None = None


GRAD_CAM, INTEGRATED_GRADIENTS = "grad-cam", "integrated-gradients"
BASELINES = {"black": 0.0, "grey": 127.5, "white": 255.0}
"""Levels of the image that says nothing, which integrated gradients compare with."""


@dataclass(frozen=True)
class Question:
    """What is asked of a classifier's answers: what speaks, by these ``methods``, for ``class_index`` (None: the
    likeliest class of each example). ``steps`` and ``baseline`` are those of integrated gradients.
    """

    methods: tuple[str, ...]
    class_index: int | None = None
    steps: int = 50
    baseline: str = "black"


@dataclass(frozen=True, eq=False)
class Explanation:
    """What speaks for a class in one example: float32 ``[rows, columns]`` maps by method, of any size, to be laid over
    all of the example; positive is for the class. ``probabilities``, float32 ``[classes]``, are the model's answer.
    ``attributed`` is the sum of the integrated gradients, ``baseline_score`` the class's probability for the baseline:
    the two add up to the class's probability, but for the error of the sum.
    """

    probabilities: "np.ndarray[Any, Any]"
    class_index: int
    maps: Mapping[str, "np.ndarray[Any, Any]"]
    attributed: float | None = None
    baseline_score: float | None = None


Batch = Mapping[str, Any]
Totals = dict[str, Any]
Step = Callable[[Batch], Totals]


@dataclass(frozen=True)
class Task:
    """One kind of model and data, wired from plain functions; docs/contributing.md shows how to add one.

    A step maps a batch to *totals*: scalar float64 tensors, named in ``totals``, that are summed over an epoch's
    batches; ``examples`` is one of them. ``metrics`` makes the epoch's numbers of them. ``report`` and ``predict``
    take (config, model, source, metadata).
    """

    name: str
    config_class: type[Any]
    demo_recipe: str  # what a training without data and recipe runs
    resolve: Callable[[Any], Any]  # config -> config without nulls that depend on the weights; no TensorFlow
    sources: Callable[[Any], Splits]
    labelled: Callable[[Any, Mapping[str, Any], str], tuple[Any, list[LeftOut]]]
    read_inputs: Callable[[Any, Mapping[str, Any], Sequence[str]], tuple[Any, list[LeftOut]]]
    build: Callable[[Any, Mapping[str, Any]], Any]
    load_weights: Callable[[Any, Any], None]
    describe: Callable[[Any, Any, Mapping[str, Any]], str]
    units: Callable[[Any], list[Unit]]
    optimizers: Callable[[Any, Any, Sequence[Any], int], dict[str, tuple[Any, list[Any]]]]
    train_batches: Callable[[Any, Any, int, int], Any]
    eval_batches: Callable[[Any, Any], Any]
    reusable: ReusableInputs | None  # None: the prefix cache can't serve this task
    totals: tuple[str, ...]
    train_step: Callable[[StepContext], Step]
    eval_step: Callable[[StepContext], Step]
    metrics: Callable[[Mapping[str, float]], dict[str, float]]
    rank: Callable[[Any, Mapping[str, float]], list[float]]  # validation metrics -> what is higher for a better model
    objectives: Mapping[str, str]  # metrics that a search may go by -> "max" or "min"; the first one is the default
    adjustments: Mapping[str, Adjustment]  # by dotted setting
    default_search: Callable[[Any], Mapping[str, Any]]  # resolved config -> a search space, as a recipe writes it
    headline: tuple[str, ...]  # those of the report's scores that run.json and the summary show
    report: Callable[[Any, Any, Any, Mapping[str, Any]], Evaluation]
    answers: Callable[[Any, Any, Any], Answers] | None  # config, model, source; None: it doesn't classify
    show: Callable[[Any, int], Any]  # (source, index) -> what people look at: a uint8 [height, width, 3] image, or text
    show_training: Callable[[Any, Any, Mapping[str, Any], int], list[tuple[Any, str]]] | None
    # config, source, metadata, count -> the first that training sees, each as ``show`` has it with a label
    mirrored: Callable[[Any], Any] | None  # model -> the one that averages an input's answer and its mirror's
    predict: Callable[[Any, Any, Any, Mapping[str, Any], int], Iterator[dict[str, Any]]]
    hand_on: Callable[[Any, Any, Mapping[str, Any]], tuple[Any, dict[str, Any]]]
    signatures: Callable[[Any, Any, Mapping[str, Any]], ServedModel]  # config, model, metadata
    requests: Callable[[Any, Any], Requests]  # config, source
    network_inputs: Callable[[Any, Any], Iterator[Mapping[str, Any]]]  # config, source -> arrays by input name
    expected: Callable[[Any, Any, Any], Mapping[str, Any]]  # config, model, source -> what serving_default must answer
    # (config, model, source, metadata with class_names, question) -> one for each example; None: it can't be explained
    explain: Callable[[Any, Any, Any, Mapping[str, Any], Question], Iterator[Explanation]] | None = None
