"""``--data tfds:…``: the images of a data set of TensorFlow Datasets, with their classes and splits."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from tfpt.data.folder_layout import PART_FOLDERS, read_class_folders, read_part_folders
from tfpt.data.listing import ALL, ListedImages, Listing, printable, subfolders_of, unreadable_told
from tfpt.data.tfds.features import Columns, find_columns
from tfpt.data.tfds.find import existing_folder, open_builder
from tfpt.data.tfds.missing import one_line
from tfpt.data.tfds.record_images import RecordImages
from tfpt.data.tfds.record_index import NO_LABEL, RecordIndex
from tfpt.data.tfds.reference import Reference, read_reference
from tfpt.data.tfds.shards import allow_open_files, split_shards
from tfpt.errors import DataError
from tfpt.task import LeftOut

IMAGE_FOLDER = "image_folder"
"""TFDS's name for folders SPLIT/CLASS/IMAGE, which aren't prepared."""


def read_tfds(text: str, data_dir: str | None, labelled: bool = True) -> Listing:
    """List the images of ``tfds:NAME[:config][@split]``; what is read of a file for that is kept for later runs.

    Args:
        text: the reference. Without a split the data set's own are used; one that is named is all there is.
        data_dir: where data sets were prepared; None: where TFDS would look.
        labelled: whether classes are needed; if not, all splits are taken.

    Raises:
        DataError: there is no such data set or split, it isn't prepared, is damaged, or has no single labelled images.
    """
    reference = read_reference(text)
    if reference.name == IMAGE_FOLDER:
        return _image_folder(reference, data_dir)
    builder = open_builder(reference, data_dir)
    title = printable(f"tfds:{builder.info.full_name.replace('/', ':')}") + (
        f"@{printable(reference.split)}" if reference.split else "")
    columns = find_columns(builder.info, title, labelled)
    splits = builder.info.splits
    if reference.split is None and not labelled:
        chosen, note = {ALL: "+".join(splits)}, ""
    else:
        chosen, note = ({ALL: reference.split}, "") if reference.split else _own_parts(list(splits), title)
    with unreadable_told(builder.data_dir):
        parts = _read_parts(builder, {part: _instructions(splits, spec, title) for part, spec in chosen.items()},
                            columns)
    if not labelled:
        return Listing(title, (), parts)
    return _labelled_listing(title, columns, parts, note)


def _own_parts(splits: Sequence[str], title: str) -> tuple[dict[str, str], str]:
    """The split of each part, and what to say of the others."""
    if len(splits) == 1:
        return {ALL: splits[0]}, ""
    parts: dict[str, str] = {}
    for split in splits:
        part = PART_FOLDERS.get(split)
        if part in parts:
            raise DataError(f"{title} has both a split {parts[part]} and a split {split}; one for the {part} part was "
                            f"expected. Name one: {title}@{split}.")
        if part:
            parts[part] = split
    if "train" not in parts:
        raise DataError(f"{title} has no split train; its splits are {', '.join(map(printable, splits))}. Name one, "
                        f"such as {title}@{printable(splits[0])}.")
    others = [printable(split) for split in splits if split not in parts.values()]
    return parts, (f"split{'s' if len(others) > 1 else ''} {', '.join(others)} not used" if others else "")


def _instructions(splits: Any, spec: str, title: str) -> list[Any]:
    """TFDS's reading of a split: files, and what to take of each."""
    found = f"its splits are {', '.join(f'{printable(name)} ({info.num_examples:,})' for name, info in splits.items())}"
    try:
        instructions = list(splits[spec].file_instructions)
    except Exception as error:  # ValueError, KeyError, AssertionError, by the part of TFDS that minds
        raise DataError(f"{title} can't be taken: {one_line(error)}. {found.capitalize()}.") from error
    if not instructions or any(piece.take <= 0 for piece in instructions):
        raise DataError(f"{title} has no images: {found}.")
    return instructions


def _read_parts(builder: Any, instructions: Mapping[str, Sequence[Any]], columns: Columns) -> dict[str, ListedImages]:
    wanted = {os.fspath(piece.filename) for pieces in instructions.values() for piece in pieces}
    shards = [shard for split in builder.info.splits for shard in
              (split_shards(builder, split) if not wanted.isdisjoint(_paths(builder, split)) else [])
              if shard.path in wanted]
    _require_files([shard.path for shard in shards], builder.info.full_name)
    allow_open_files(shards)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        indices = list(pool.map(lambda shard: _indexed(RecordIndex(shard, columns)), shards))
    place_of = {shard.path: place for place, shard in enumerate(shards)}

    def listed(pieces: Sequence[Any]) -> ListedImages:
        places = np.array([place_of[os.fspath(piece.filename)] for piece in pieces])
        numbers = [np.arange(piece.skip, piece.skip + piece.take) for piece in pieces]
        names = tuple(f"{printable(builder.name)}/{shards[place].split}[{shards[place].first + number}]"
                      for place, chosen in zip(places, numbers, strict=True) for number in chosen.tolist())
        labels = np.concatenate([indices[place].rows["label"][chosen]
                                 for place, chosen in zip(places, numbers, strict=True)])
        _require_labels_in_range(labels, columns, names)
        records = RecordImages(indices, np.repeat(places, [len(chosen) for chosen in numbers]), np.concatenate(numbers))
        return ListedImages(names, labels.astype(np.int32), records=records)

    return {part: listed(pieces) for part, pieces in instructions.items()}


def _require_files(paths: Sequence[str], name: str) -> None:
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise DataError(f"{len(missing):,} of {len(paths):,} files of {printable(name)} that are to be read aren't "
                        f"there, first {printable(missing[0])}. Copy them from where the data set was prepared, or "
                        "prepare it again.")


def _indexed(index: RecordIndex) -> RecordIndex:
    index.save()  # now, as what is stopped before the check needn't begin again
    return index


def _paths(builder: Any, split: str) -> list[str]:
    return [os.fspath(path) for path in builder.info.splits[split].filepaths]


def _require_labels_in_range(labels: np.ndarray, columns: Columns, names: Sequence[str]) -> None:
    wrong = np.flatnonzero((labels < NO_LABEL) | (labels >= max(len(columns.class_names), 1)))
    if len(wrong) and columns.class_names:
        raise DataError(f"{names[wrong[0]]} has the label {labels[wrong[0]]}, and there are "
                        f"{len(columns.class_names):,} classes. The data set is damaged: prepare it again.")


def _labelled_listing(title: str, columns: Columns, parts: Mapping[str, ListedImages], note: str) -> Listing:
    """The classes that train has, in TFDS's order, and the images that have a label."""
    labelled, left_out = {}, []
    for part, listed in parts.items():
        has_label = listed.labels != NO_LABEL
        if not has_label.any():
            split = listed.names[0].partition("[")[0]
            left_out.append(LeftOut(split, f"its {len(listed):,} images have no labels"))
            continue
        left_out += [LeftOut(listed.names[i], "has no label") for i in np.flatnonzero(~has_label)]
        labelled[part] = listed if has_label.all() else listed.subset(np.flatnonzero(has_label))
    base = labelled.get(ALL) or labelled.get("train")
    if base is None:
        raise DataError(f"{title} can't be trained or measured on: its images have no labels.")
    present = np.unique(base.labels)
    for part, listed in labelled.items():
        unknown = [columns.class_names[label] for label in np.setdiff1d(listed.labels, present)]
        if unknown:
            raise DataError(f"the {part} part of {title} has images of {', '.join(unknown)}, of which its train split "
                            f"has none. Name the split that has all of them, such as {title}@train.")
    relabelled = {part: listed.relabelled(np.searchsorted(present, listed.labels).astype(np.int32))
                  for part, listed in labelled.items()}
    return Listing(title, tuple(columns.class_names[label] for label in present), relabelled, tuple(left_out), note)


def _image_folder(reference: Reference, data_dir: str | None) -> Listing:
    """Folders SPLIT/CLASS/IMAGE, as ``tfds.ImageFolder`` takes them: which is which is given by their depth alone."""
    form = "tfds:image_folder is for folders SPLIT/CLASS/IMAGE"
    if data_dir is None or reference.config or reference.version:
        raise DataError(f"{form}: --data tfds:image_folder[@SPLIT] --data-dir FOLDER was expected, found "
                        f"{printable(reference.text)}{' without --data-dir' if data_dir is None else ''}.")
    folder = existing_folder(data_dir)
    with unreadable_told(folder):
        splits = subfolders_of(folder)
        found = f"the folders in {printable(folder)} are {', '.join(map(printable, splits)) or 'none'}"
        if reference.split is None:
            if "train" not in splits:
                raise DataError(f"{form}, and {found}: one called train was expected, or name one of them, as "
                                "tfds:image_folder@SPLIT.")
            parts, note = _own_parts(splits, f"tfds:{IMAGE_FOLDER}")
            listing = read_part_folders(folder, {"train" if part == ALL else part: name
                                                 for part, name in parts.items()})
            return replace(listing, note=note)
        if reference.split not in splits:
            raise DataError(f"{form}, and there is no split {printable(reference.split)}: {found}. (A part of a "
                            "split, such as train[:10%], can't be taken of folders.)")
        return read_class_folders(os.path.join(folder, reference.split))
