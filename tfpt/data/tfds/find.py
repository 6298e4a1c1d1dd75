"""The prepared data set that a reference means, opened by TFDS; its own code runs only to prepare what isn't yet."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfpt.data.listing import printable, unreadable_told
from tfpt.data.tfds import own_features
from tfpt.data.tfds.missing import first_names, not_prepared, one_line, other_variant, unknown_config, unknown_name
from tfpt.data.tfds.preparing import prepare_offline
from tfpt.data.tfds.prepared import prepared_set
from tfpt.data.tfds.reference import Reference
from tfpt.errors import DataError


def open_builder(reference: Reference, data_dir: str | None) -> Any:
    """TFDS's builder of a prepared data set, made from its folder alone.

    Args:
        reference: which one.
        data_dir: the folder that data sets were prepared in; None: TFDS's own, ``$TFDS_DATA_DIR`` or
            ``~/tensorflow_datasets``.

    Raises:
        DataError: there is no such data set, config or version, it isn't prepared and can't be from the files that
            are there, or its description is damaged.
    """
    data_dirs = _data_dirs(data_dir)
    with unreadable_told(data_dirs[0]):
        folder = _find(reference, data_dirs) or _prepared_now(reference, data_dirs)
        return _open(folder)


def _data_dirs(data_dir: str | None) -> list[str]:
    if data_dir is None:
        from tensorflow_datasets.core.utils import file_utils

        return [os.fspath(folder) for folder in file_utils.list_data_dirs()]
    return [existing_folder(data_dir)]


def existing_folder(data_dir: str) -> str:
    """``data_dir``, ``~`` expanded. Raises DataError: it is no folder."""
    folder = os.path.expanduser(data_dir)
    if not os.path.isdir(folder):
        raise DataError(f"data.data_dir (--data-dir) is {printable(data_dir) or 'empty'}, which is no folder. The one "
                        "that holds the data sets of TensorFlow Datasets was expected, by default "
                        "~/tensorflow_datasets.")
    return folder


def _find(reference: Reference, data_dirs: Sequence[str]) -> Path | None:
    """Raises DataError: only other configs or versions are prepared, and TFDS can't prepare this one."""
    for data_dir in data_dirs:
        found = prepared_set(data_dir, reference.name)
        folder = found.folder(reference.config, reference.version)
        if folder is not None:
            return folder
        if found.configs:
            is_known = reference.name in _known_names()
            if reference.version or not is_known:
                raise other_variant(reference, data_dir, found, is_known)
    return None


def _prepared_now(reference: Reference, data_dirs: Sequence[str]) -> Path:
    known = _known_names()
    if reference.name not in known:
        raise unknown_name(reference, data_dirs, known)
    builder_class = _import_builder(reference.name)
    configs = list(builder_class.builder_configs)
    if reference.config is not None and reference.config not in configs:
        raise unknown_config(reference, configs)
    if prepare_offline(builder_class, reference, data_dirs[0]):
        folder = prepared_set(data_dirs[0], reference.name).folder(reference.config, reference.version)
        if folder is not None:
            return folder
    for data_dir in data_dirs:
        found = prepared_set(data_dir, reference.name)
        if found.configs:
            raise other_variant(reference, data_dir, found, is_known=True)
    raise not_prepared(reference, data_dirs, builder_class)


def _known_names() -> list[str]:
    import tensorflow_datasets as tfds

    names: list[str] = tfds.list_builders(with_community_datasets=False)  # those are listed in a bucket
    return names


def _import_builder(name: str) -> Any:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder_cls(name)
    except Exception as error:  # each imports what it likes
        raise DataError(f"{name} isn't prepared, and the code that would do it can't be imported: {one_line(error)}. "
                        f"Install what it misses, or copy the folder {name}/ from where it was prepared.") from error


def _open(folder: Path) -> Any:
    from tensorflow_datasets.core import read_only_builder

    try:
        description = json.loads((folder / "features.json").read_text(encoding="utf-8"))
        foreign = own_features.foreign_classes(description)
        with own_features.only_own_features():
            builder = None if foreign else read_only_builder.builder_from_directory(folder)
    except Exception as error:  # a damaged description can raise almost anything
        raise DataError(f"the description of the data set in {printable(str(folder))} (dataset_info.json, "
                        f"features.json) can't be read: {one_line(error)}. Prepare it again.") from error
    if builder is None:
        raise DataError(f"{printable(str(folder / 'features.json'))} names classes that aren't TensorFlow Datasets' "
                        f"own features, {first_names(foreign)}. Opening it would import them, and tfpt imports no code "
                        "that data names. Prepare the data set with TFDS's own features.")
    return builder
