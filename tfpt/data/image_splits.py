"""From what ``--data`` or ``tfpt predict`` names to checked images: in three parts, with labels, or without."""

import os
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tfpt.config.image_classification import ImageDataConfig
from tfpt.data.check import check_images
from tfpt.data.image_parts import assign_parts, fingerprint, thin_out
from tfpt.data.layouts import no_such_path, read_layout
from tfpt.data.listing import (
    EXTENSIONS_TEXT, PARTS, ListedImages, Listing, images_below, merge_parts, printable, unreadable_told)
from tfpt.data.natural_sort import natural_sort
from tfpt.data.source import ImageSource
from tfpt.data.tfds.layout import read_tfds
from tfpt.data.tfds.reference import is_reference, require_use
from tfpt.errors import ConfigError, DataError
from tfpt.task import LeftOut, Splits

_NAMED = 3


def image_splits(data: ImageDataConfig, seed: int) -> Splits:
    """Read, check and split the images of ``data.path``.

    ``metadata`` holds ``class_names``, ``image_size`` and ``class_counts`` (training images of each class).

    Raises:
        DataError: the data can't be read or is not enough; see ``layouts`` and ``splits``.
        ConfigError: ``data.image_size`` is still None; the shares of validation and test leave nothing to train on.
    """
    if data.image_size is None:  # only a run's config.yaml that somebody changed has none by now
        raise ConfigError("data.image_size is null, a number of pixels was expected. If this is a run's config.yaml, "
                          "bring back the one that tfpt wrote.")
    require_use(data.data_dir, data.path)
    listing = read_layout(data.path, data.data_dir)
    _require_two_classes(listing)
    fractions = _fractions(data, listing)
    listed, parts = merge_parts(listing)
    checked = check_images(listed, data.image_size, data.memory_mb)
    if checked.broken and data.on_bad_image == "fail":
        raise DataError(_broken_text(checked.broken, len(listed)))
    source = checked.source
    try:
        parts, copies = assign_parts(source, parts[checked.kept], listing.class_names, fractions, seed)
    except DataError as error:
        broken = f" {_broken_text(checked.broken, len(listed), error=False)}" if checked.broken else ""
        raise DataError(f"{error}{broken}") from error
    if data.train_per_class is not None:
        parts = thin_out(source, parts, data.train_per_class, seed, listing.class_names)
    train, validation, test = (source.subset(np.flatnonzero(parts == part)) for part in range(len(PARTS)))
    left_out = {"broken": checked.broken, "copies": copies, "in no class": listing.left_out}
    return Splits(
        train=train, validation=validation, test=test,
        metadata={"class_names": list(listing.class_names), "image_size": data.image_size,
                  "class_counts": np.bincount(train.labels, minlength=len(listing.class_names)).tolist()},
        fingerprint=fingerprint(source, parts),
        summary=_summary(listing, (train, validation, test), data.train_per_class, left_out),
        left_out=tuple(entry for entries in left_out.values() for entry in entries))


def labelled_images(path: str, class_names: Sequence[str], image_size: int, memory_mb: int,
                    data_dir: str | None = None) -> tuple[ImageSource, list[LeftOut]]:
    """The images at ``path`` with labels into ``class_names``: the test part if there is one, else the validation part,
    else all of them.

    ``data_dir``: as in ``read_layout``.

    Raises:
        DataError: the data can't be read, has no usable image, or has a class that ``class_names`` lacks.
    """
    listing = read_layout(path, data_dir)
    part = next((name for name in ("test", "validation") if name in listing.parts), None)
    listed = listing.parts[part] if part else merge_parts(listing)[0]
    found = [listing.class_names[label] for label in np.unique(listed.labels)]
    unknown = natural_sort(set(found) - set(class_names))
    if unknown:
        raise DataError(f"the model doesn't know the class{'es' if len(unknown) > 1 else ''} {', '.join(unknown)} of "
                        f"{listing.title}: it was trained on {', '.join(class_names)}, and found are "
                        f"{', '.join(found)}. Rename the classes, or leave those images out.")
    new_label = [class_names.index(name) if name in found else -1 for name in listing.class_names]
    labels = np.array(new_label, dtype=np.int32)[listed.labels]
    checked = check_images(listed.relabelled(labels), image_size, memory_mb)
    if not len(checked.source):
        raise DataError(f"none of the {len(listed):,} images of {listing.title} can be read; the first is "
                        f"{checked.broken[0].path} ({checked.broken[0].why}).")
    notes = [listing.note, "it has no test part: measured is its validation part" if part == "validation" else ""]
    return checked.source, [*checked.broken, *listing.left_out,
                            *(LeftOut(listing.title, note) for note in notes if note)]


def unlabelled_images(inputs: Sequence[str], image_size: int, memory_mb: int,
                      data_dir: str | None = None) -> tuple[ImageSource, list[LeftOut]]:
    """The images that ``inputs`` name, in that order: files, and folders with all images below them; or those of one
    data set, ``tfds:NAME``, of which ``data_dir`` says where it is.

    Broken ones are in the list, not in the source, which may be empty then.

    Raises:
        DataError: a path doesn't exist, a folder holds no images, or a data set isn't all there is.
    """
    if any(map(is_reference, inputs)):
        if len(inputs) > 1:
            raise DataError(f"a data set, such as {next(filter(is_reference, inputs))}, goes alone; found "
                            f"{len(inputs):,} inputs. Name the others in a call of their own.")
        listed, _ = merge_parts(read_tfds(inputs[0], data_dir, labelled=False))
    else:
        listed = _listed_inputs(inputs)
    checked = check_images(listed, image_size, memory_mb)
    return checked.source, list(checked.broken)


def _listed_inputs(inputs: Sequence[str]) -> ListedImages:
    paths: list[str] = []
    for text in inputs:
        path = os.path.expanduser(text)
        if not os.path.exists(path):
            raise DataError(f"{no_such_path(text)} Image files, or folders of images, were expected.")
        if not os.path.isdir(path):
            paths.append(path)
            continue
        with unreadable_told(text):
            below = images_below(path)
        if not below:
            raise DataError(f"no images in {printable(path)} or below it; {EXTENSIONS_TEXT} were expected.")
        paths += below
    return ListedImages(tuple(map(printable, paths)), np.full(len(paths), -1, np.int32), paths=tuple(paths))


def _require_two_classes(listing: Listing) -> None:
    if len(listing.class_names) < 2:
        raise DataError(f"{listing.title} has images of one class only, {listing.class_names[0]}; a classifier needs "
                        "at least two. Add a second class, or give --data the folder above the class folders.")


def _fractions(data: ImageDataConfig, listing: Listing) -> tuple[float, float, float]:
    """Shares of train, validation and test to draw, from all images or from the user's own train part."""
    validation = 0.0 if "validation" in listing.parts else data.validation
    test = 0.0 if "test" in listing.parts else data.test
    if validation + test >= 1:
        raise ConfigError(f"data.validation {validation:g} and data.test {test:g} leave no images to train on; "
                          "together they must stay below 1.")
    return 1 - validation - test, validation, test


def _summary(listing: Listing, parts: Sequence[ImageSource], per_class: int | None,
             left_out: dict[str, Sequence[LeftOut]]) -> str:
    """``photos/ · 7 classes · 1,204 images: 842 train, 181 validation, 181 test · 3 left out (broken; …)``."""
    counts = [f"{len(part):,} {name}" for part, name in zip(parts, PARTS, strict=True)]
    if per_class is not None:
        counts[0] += f" ({per_class:,} per class)"
    total, class_count = sum(map(len, parts)), len(listing.class_names)
    text = f"{listing.title} · {class_count} classes · {total:,} images: {', '.join(counts)}"
    text += f" · {listing.note}" if listing.note else ""
    kinds = Counter({kind: len(entries) for kind, entries in left_out.items() if entries})
    if not kinds:
        return text
    why = next(iter(kinds)) if len(kinds) == 1 else ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    return f"{text} · {kinds.total():,} left out ({why}; named in run.json)"


def _broken_text(broken: Sequence[LeftOut], total: int, error: bool = True) -> str:
    named = ", ".join(f"{entry.path} ({entry.why})" for entry in broken[:_NAMED])
    more = f" and {len(broken) - _NAMED:,} more" if len(broken) > _NAMED else ""
    advice = " Mend or remove them, or train without them by data.on_bad_image: leave_out." if error else ""
    return f"{len(broken):,} of {total:,} images can't be used: {named}{more}.{advice}"
