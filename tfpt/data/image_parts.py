"""The part of each checked image: the user's own split kept free of leaks, or one drawn from the seed."""

import hashlib
from collections.abc import Sequence

import numpy as np

from tfpt.data.listing import DROPPED, PARTS, UNASSIGNED
from tfpt.data.source import ImageSource
from tfpt.data.splits import choose_per_class, label_conflicts, part_overlaps, split_groups
from tfpt.errors import DataError
from tfpt.task import LeftOut


def assign_parts(source: ImageSource, given: np.ndarray, class_names: Sequence[str], fractions: Sequence[float],
                 seed: int) -> tuple[np.ndarray, list[LeftOut]]:
    """Give every image its part.

    Args:
        source: the checked images.
        given: int8 ``[n]``, the part that the user gave each image, or UNASSIGNED.
        class_names: for texts.
        fractions: shares of train, validation and test, drawn from what is unassigned or in train.
        seed: decides the draw.

    Returns:
        int8 ``[n]``: each image's part, DROPPED for copies that would leak or contradict; and those copies.

    Raises:
        DataError: a class has too few distinct images.
    """
    parts = given.copy()
    left_out = []
    for i, other in label_conflicts(source.labels, source.hashes).items():
        parts[i] = DROPPED
        left_out.append(LeftOut(source.names[i], f"the same image also stands under class "
                                f"{class_names[source.labels[other]]}: {source.names[other]}"))
    candidates = np.flatnonzero(parts != DROPPED)
    for i, stays in part_overlaps(parts[candidates], [source.hashes[i] for i in candidates]).items():
        index, other = candidates[i], candidates[stays]
        parts[index] = DROPPED
        left_out.append(LeftOut(source.names[index],
                                f"the same image also stands in {PARTS[given[other]]}: {source.names[other]}"))
    to_split = np.flatnonzero((parts == UNASSIGNED) | (parts == PARTS.index("train")))
    try:
        drawn = split_groups(source.labels[to_split], [source.hashes[i] for i in to_split], fractions, seed,
                             class_names)
    except DataError as error:
        copies = f" {len(left_out):,} copies don't count: {left_out[0].path}, {left_out[0].why}." if left_out else ""
        raise DataError(f"{error}{copies}") from error
    for part, indices in enumerate(drawn):
        parts[to_split[indices]] = part
    return parts, left_out


def thin_out(source: ImageSource, parts: np.ndarray, per_class: int, seed: int,
             class_names: Sequence[str]) -> np.ndarray:
    """Keep ``per_class`` training images of each class and drop the others. DataError if a class has fewer."""
    train = np.flatnonzero(parts == PARTS.index("train"))
    keep = choose_per_class(source.labels[train], [source.hashes[i] for i in train], per_class, seed, class_names)
    thinned = parts.copy()
    thinned[np.delete(train, keep)] = DROPPED
    return thinned


def fingerprint(source: ImageSource, parts: np.ndarray) -> str:
    """sha256 over contents, labels and parts; the same whatever the files are called."""
    lines = sorted(f"{content_hash} {label} {PARTS[part]}\n" for content_hash, label, part in
                   zip(source.hashes, source.labels, parts, strict=True) if part >= 0)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
