"""A folder with a folder per class, or a folder with ``train/``, ``validation/`` and ``test/`` of those."""

import os
from collections.abc import Mapping
from dataclasses import replace

from tfpt.data.listing import (
    ALL, EXTENSIONS_TEXT, ListedImages, Listing, holds_control_characters, image_files_in, images_below, listed_files,
    printable, title_of, subfolders_of)
from tfpt.data.natural_sort import natural_sort
from tfpt.errors import DataError
from tfpt.task import LeftOut

PART_FOLDERS = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation",
                "test": "test"}


def read_folder(folder: str) -> Listing:
    """List a folder's images by class.

    Raises:
        DataError: there are no class folders, no images in them, two folders for one part, or a name of several lines.
    """
    part_folders = _own_split(folder)
    if not part_folders:
        return read_class_folders(folder)
    beside = [LeftOut(printable(os.path.join(folder, name)) + "/", "stands beside train/, is no part of the split")
              for name in subfolders_of(folder) if name not in part_folders.values()]
    listing = read_part_folders(folder, part_folders)
    return replace(listing, left_out=(*beside, *listing.left_out))


def read_class_folders(folder: str) -> Listing:
    """As ``read_folder``, but the folders are classes, whatever they are called."""
    files, left_out = _classes_in(folder)
    class_names = _class_names(folder, files)
    return Listing(title_of(folder), class_names, {ALL: listed_files(files, class_names)}, tuple(left_out))


def read_part_folders(folder: str, part_folders: Mapping[str, str]) -> Listing:
    """As ``read_folder``, but ``part_folders`` says for ``train`` and maybe other parts in which folder they are."""
    left_out: list[LeftOut] = []
    files_of: dict[str, list[tuple[str, str]]] = {}
    for part, name in part_folders.items():
        files_of[part], ignored = _classes_in(os.path.join(folder, name))
        left_out += ignored
    class_names = _class_names(os.path.join(folder, part_folders["train"]), files_of["train"])
    for part, files in files_of.items():
        _require_known(os.path.join(folder, part_folders[part]), files, class_names)
    parts: dict[str, ListedImages] = {part: listed_files(files, class_names) for part, files in files_of.items()}
    return Listing(title_of(folder), class_names, parts, tuple(left_out))


def _own_split(folder: str) -> dict[str, str]:
    """Part name to folder name, or nothing if the folders are classes (of which one may be called train)."""
    names = subfolders_of(folder)
    part_folders: dict[str, str] = {}
    if "train" not in names or not subfolders_of(os.path.join(folder, "train")):
        return {}
    for name in names:
        part = PART_FOLDERS.get(name)
        if part in part_folders:
            raise DataError(f"{title_of(folder)} has both {part_folders[part]}/ and {name}/, one folder for the {part} "
                            "part was expected. Rename or remove one.")
        if part:
            part_folders[part] = name
    return part_folders if len(part_folders) > 1 or names == ["train"] else {}


def _classes_in(folder: str) -> tuple[list[tuple[str, str]], list[LeftOut]]:
    """(path, class name) of each image in the class folders, and what belongs to no class."""
    class_folders = subfolders_of(folder)
    loose = image_files_in(folder)
    if not class_folders:
        found = f"images directly in it ({len(loose):,})" if loose else "no folder in it"
        raise DataError(f"{title_of(folder)} has {found}, folders were expected, one per class, with the images in "
                        f"them (such as {printable(os.path.join(folder, 'cats'))}/). Sort the images into folders, or "
                        "name their classes in a CSV with the columns path,label.")
    left_out = [LeftOut(printable(path), "stands in no class folder") for path in loose]
    files: list[tuple[str, str]] = []
    for name in class_folders:
        if holds_control_characters(name):
            raise DataError(f"{printable(os.path.join(folder, name))}/ has a line break or control character in its "
                            "name, but the name of a class is one line of text. Rename the folder.")
        paths = images_below(os.path.join(folder, name))
        files += [(path, printable(name)) for path in paths]
        if not paths:
            left_out.append(LeftOut(printable(os.path.join(folder, name)) + "/", "empty class folder"))
    return files, left_out


def _class_names(folder: str, files: list[tuple[str, str]]) -> tuple[str, ...]:
    if not files:
        raise DataError(f"no images in the folders of {title_of(folder)}; {EXTENSIONS_TEXT} were expected, in one "
                        "folder per class.")
    return tuple(natural_sort({class_name for _, class_name in files}))


def _require_known(folder: str, files: list[tuple[str, str]], class_names: tuple[str, ...]) -> None:
    unknown = natural_sort({class_name for _, class_name in files} - set(class_names))
    if unknown:
        raise DataError(f"{title_of(folder)} has images of {', '.join(unknown)}, of which train/ has none; its classes "
                        f"are {', '.join(class_names)}. Add training images of it, or move that folder away.")
