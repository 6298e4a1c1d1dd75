"""What to say of a data set that isn't there, or not in the config, version or folder that was asked for."""

import difflib
import os
from collections.abc import Sequence
from typing import Any

from tfpt.data.listing import printable
from tfpt.data.tfds.prepared import PreparedSet, prepared_names, prepared_set
from tfpt.data.tfds.reference import FORM, Reference
from tfpt.errors import DataError

_NAMED = 8
_LETTERS = 300


def unknown_name(reference: Reference, data_dirs: Sequence[str], known: Sequence[str]) -> DataError:
    """TFDS ``known`` no such data set, and no folder holds one."""
    prepared = _prepared(data_dirs)
    near = difflib.get_close_matches(reference.name, sorted({*known, *prepared, "image_folder"}), n=3, cutoff=0.7)
    hint = f" Did you mean {' or '.join(near)}?" if near else f" {FORM} was expected."
    return DataError(f"TensorFlow Datasets has no data set {reference.name}, and none of that name is prepared in "
                     f"{_places(data_dirs)}.{_one_too_deep(data_dirs, reference.name) or hint}{_there(prepared)}")


def other_variant(reference: Reference, data_dir: str, found: PreparedSet, is_known: bool) -> DataError:
    """The data set is prepared, but not in the config or version that was asked for. ``is_known``: by TFDS."""
    variants = [f"tfds:{':'.join([reference.name, *filter(None, [config]), version])}"
                for config, versions in found.configs.items() for version in versions]
    if reference.config is None and reference.version is None:
        return DataError(f"{reference.name} has configs, and its default one isn't prepared in {printable(data_dir)}. "
                         f"Name one of those that are: {first_names(variants)}.")
    wanted = " in ".join([reference.name, *([f"the config {reference.config}"] if reference.config else []),
                          *([f"version {reference.version}"] if reference.version else [])])
    other = f", or prepare the other where there is a network: {how_to_prepare(reference, data_dir)}"
    return DataError(f"{wanted} isn't prepared in {printable(data_dir)}. Name what is: {first_names(variants)}"
                     f"{other if is_known else '.'}")


def unknown_config(reference: Reference, known: Sequence[str]) -> DataError:
    """TFDS's data set has only ``known`` configs, perhaps none."""
    if not known:
        return DataError(f"{reference.name} has no configs, found {reference.config}. Name tfds:{reference.name}.")
    near = difflib.get_close_matches(reference.config or "", known, n=3, cutoff=0.4)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return DataError(f"{reference.name} has no config {reference.config}; its {len(known):,} configs are "
                     f"{first_names(known)}.{hint}")


def not_prepared(reference: Reference, data_dirs: Sequence[str], builder_class: Any) -> DataError:
    """TFDS knows it, but not all of its files are here."""
    by_hand = instructions(builder_class)
    if by_hand:
        what = f" Put its files into {printable(manual_folder(data_dirs[0]))}, and tfpt prepares it there. {by_hand}"
    else:
        what = (f" Prepare it where there is a network: {how_to_prepare(reference, data_dirs[0])} Or copy its folder, "
                f"{reference.name}/, there{_or_fetch(builder_class, data_dirs[0])}.")
    return DataError(f"{reference.name} isn't prepared in {_places(data_dirs)}, and tfpt downloads nothing."
                     f"{_one_too_deep(data_dirs, reference.name)}{what}{_there(_prepared(data_dirs))}")


def manual_folder(data_dir: str) -> str:
    """Where TFDS looks for what a user fetched by hand."""
    return os.path.join(os.path.abspath(data_dir), "downloads", "manual")


def instructions(builder_class: Any) -> str:
    """What TFDS says of the files that have to be fetched by hand; empty if it says nothing."""
    text = " ".join((builder_class.MANUAL_DOWNLOAD_INSTRUCTIONS or "").split())
    return f"TensorFlow Datasets says: {printable(text).rstrip('.')}." if text else ""


def how_to_prepare(reference: Reference, data_dir: str) -> str:
    """A command that downloads and prepares, where that may be. (``tfds build`` asks for Apache Beam.)"""
    name = "/".join(filter(None, [reference.name, reference.config]))
    return (f"python -c \"import tensorflow_datasets as tfds; tfds.builder('{name}', "
            f"data_dir='{printable(os.path.abspath(data_dir))}').download_and_prepare()\"")


def one_line(error: BaseException) -> str:
    """An error's text as one line of a bearable length, without its end mark."""
    text = " ".join(str(error).split()) or type(error).__name__
    return printable(text if len(text) <= _LETTERS else text[:_LETTERS - 1] + "…").rstrip(".")


def first_names(names: Sequence[str]) -> str:
    """Some of them, and how many more there are."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(map(printable, names[:_NAMED])) + more


def _or_fetch(builder_class: Any, data_dir: str) -> str:
    """Which file TFDS would take from its folder for those fetched by hand, if there is only one to be fetched."""
    files = {info.filename: url for url, info in (builder_class.url_infos or {}).items() if info.filename}
    if len(files) != 1:
        return ""
    (name, url), = files.items()
    return f"; or put {printable(name)} from {printable(url)} into {printable(manual_folder(data_dir))}"


def _prepared(data_dirs: Sequence[str]) -> list[str]:
    return [name for folder in data_dirs for name in prepared_names(folder)]


def _there(prepared: Sequence[str]) -> str:
    return f" Prepared there: {first_names(prepared)}." if prepared else ""


def _one_too_deep(data_dirs: Sequence[str], name: str) -> str:
    """What to say if the data set's own folder, or one in it, was named."""
    for folder in map(os.path.abspath, data_dirs):
        while (parent := os.path.dirname(folder)) != folder:
            if os.path.basename(folder) == name and prepared_set(parent, name).configs:
                return f" Perhaps {printable(parent)} is meant, the folder above {name}/."
            folder = parent
    return ""


def _places(data_dirs: Sequence[str]) -> str:
    return " or ".join(map(printable, data_dirs))
