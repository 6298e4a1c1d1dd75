"""Data sets that TFDS's own writers prepare, of pictures that the tests draw: nothing is downloaded."""

import contextlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from tests.data.image_files import encoded, photo

FORMATS = ("tfrecord", "array_record")
CLASSES = ("birds", "flowers", "insects")

Examples = Iterable[Mapping[str, Any]]


def pictures(count: int, first_seed: int = 0, kinds: int = len(CLASSES), kind: str = "PNG") -> list[dict[str, Any]]:
    """``count`` examples of different small pictures, of the classes in turn."""
    return [{"image": encoded(photo(first_seed + number, 9, 12), kind), "label": number % kinds}
            for number in range(count)]


SPLITS = {"train": pictures(18), "test": pictures(6, first_seed=100)}


def prepare(data_dir: Path, splits: Mapping[str, Examples] = SPLITS, *, name: str = "shapes",
            file_format: str = "tfrecord", features: Mapping[str, Any] | None = None, shards: int = 2,
            kinds: Sequence[str] = CLASSES, supervised: tuple[str, str] | None = None, configs: Sequence[str] = (),
            config: str | None = None, version: str = "1.2.0") -> Path:
    """Prepare a data set in ``data_dir``; returns the folder of its files."""
    described = features or {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=list(kinds))}

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version(version)
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=each) for each in configs]

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(dict(described)),
                                         supervised_keys=supervised)

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(examples) for split, examples in splits.items()}

        def _generate_examples(self, examples) -> Iterator[tuple[int, Any]]:
            yield from enumerate(examples)

    Builder.name = name
    builder = Builder(data_dir=data_dir, config=config)
    with contextlib.redirect_stdout(io.StringIO()):
        tfds.disable_progress_bar()
        builder.download_and_prepare(file_format=file_format,
                                     download_config=tfds.download.DownloadConfig(num_shards=shards))
    return Path(builder.data_dir)


def shard_files(folder: Path, split: str = "train") -> list[Path]:
    return sorted(path for path in folder.iterdir() if f"-{split}." in path.name)


def write_imagenet_tars(folder: Path, per_class: int = 4) -> dict[str, list[bytes]]:
    """``ILSVRC2012_img_train.tar``, a tar of a tar for each of three classes, and ``ILSVRC2012_img_val.tar``.

    TFDS knows the validation images' classes by their place, so these are the classes of the first three. Returns the
    training images of each class.
    """
    from tensorflow_datasets.datasets.imagenet2012 import imagenet_common

    folder.mkdir(parents=True)
    labels = Path(tfds.core.tfds_path("datasets/imagenet2012/validation_labels.txt")).read_text().split()[:3]
    assert imagenet_common.label_names_file().exists() and len(set(labels)) == 3
    images = {label: [encoded(photo(10 * kind + number, 40, 30), "JPEG") for number in range(per_class)]
              for kind, label in enumerate(labels)}
    with tarfile.open(folder / "ILSVRC2012_img_train.tar", "w") as outer:
        for label, contents in images.items():
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as archive:
                for number, content in enumerate(contents):
                    _add(archive, f"{label}_{number}.JPEG", content)
            _add(outer, f"{label}.tar", inner.getvalue())
    with tarfile.open(folder / "ILSVRC2012_img_val.tar", "w") as archive:
        for number in range(3):
            _add(archive, f"ILSVRC2012_val_{number + 1:08}.JPEG", encoded(photo(900 + number, 40, 30), "JPEG"))
    return images


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
