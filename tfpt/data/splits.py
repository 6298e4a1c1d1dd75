"""Who goes into which part: stratified, a function of the seed and the contents, no image on two sides.

Pure functions over labels and content hashes. An image's place depends on sha256(seed, hash), so it is the same
whatever the files are called and in whatever order they were found.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from tfpt.data.listing import PARTS
from tfpt.errors import DataError

_NAMED = 3


def split_groups(labels: np.ndarray, hashes: Sequence[str], fractions: Sequence[float], seed: int,
                 class_names: Sequence[str] | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split so that each class is shared out by ``fractions``, to within one group of identical images.

    Args:
        labels: integer ``[n]``; images with one hash must have one label (see ``label_conflicts``).
        hashes: of each image's content.
        fractions: of train, validation and test, summing to 1; a part with 0 stays empty.
        seed: another seed gives another split.
        class_names: for the error's text, and so that a class without any image is an error too.

    Returns:
        Indices of train, validation and test, int64, ascending; together each of ``0 … n - 1`` once.

    Raises:
        DataError: a class has fewer distinct images than there are parts to fill.
    """
    wanted = [part for part, fraction in enumerate(fractions) if fraction > 0]
    groups_of = _groups_by_class(labels, hashes, seed)
    classes = range(len(class_names)) if class_names is not None else sorted(groups_of)
    _require_enough({c: len(groups_of.get(c, [])) for c in classes}, wanted, class_names)
    chosen: list[list[int]] = [[], [], []]
    for groups in groups_of.values():
        for part, members in zip(wanted, _share_out(groups, [fractions[part] for part in wanted]), strict=True):
            chosen[part] += members
    train, validation, test = (np.array(sorted(indices), dtype=np.int64) for indices in chosen)
    return train, validation, test


def label_conflicts(labels: np.ndarray, hashes: Sequence[str]) -> dict[int, int]:
    """Images whose bytes also stand under another label: index of each to the index of such a copy."""
    conflicts = {}
    for members in _groups(hashes).values():
        if len({int(labels[i]) for i in members}) > 1:
            for i in members:
                conflicts[i] = next(j for j in members if labels[j] != labels[i])
    return conflicts


def part_overlaps(parts: np.ndarray, hashes: Sequence[str]) -> dict[int, int]:
    """Copies that would leak over a split that the user made: index of each to the index of the copy that stays.

    The test part keeps all of its images, validation those that aren't in test, train those that are in neither.
    """
    overlaps = {}
    for members in _groups(hashes).values():
        stays = max(members, key=lambda i: parts[i])
        overlaps.update({i: stays for i in members if parts[i] < parts[stays]})
    return overlaps


def choose_per_class(labels: np.ndarray, hashes: Sequence[str], count: int, seed: int,
                     class_names: Sequence[str]) -> np.ndarray:
    """Indices (int64, ascending) of ``count`` images of each class, a function of the seed and the contents.

    Raises:
        DataError: a class has fewer.
    """
    groups_of = _groups_by_class(labels, hashes, seed)
    members_of = {c: [i for group in groups_of.get(c, []) for i in group] for c in range(len(class_names))}
    few = [f"{class_names[c]} has {len(members):,}" for c, members in members_of.items() if len(members) < count]
    if few:
        raise DataError(f"data.train_per_class asks for {count:,} training images of each class: {_first(few)}. "
                        "Set it lower, or add images.")
    return np.array(sorted(i for members in members_of.values() for i in members[:count]), dtype=np.int64)


def _groups(hashes: Sequence[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, content_hash in enumerate(hashes):
        groups[content_hash].append(index)
    return groups


def _groups_by_class(labels: np.ndarray, hashes: Sequence[str], seed: int) -> dict[int, list[list[int]]]:
    """Groups of identical images of each class, in the seed's order."""
    groups = _groups(hashes)
    in_order = sorted(groups, key=lambda content_hash: hashlib.sha256(f"{seed}:{content_hash}".encode()).digest())
    groups_of: dict[int, list[list[int]]] = defaultdict(list)
    for content_hash in in_order:
        members = groups[content_hash]
        groups_of[int(labels[members[0]])].append(members)
    return groups_of


def _share_out(groups: list[list[int]], fractions: Sequence[float]) -> list[list[int]]:
    """Cut the row of groups into one run per fraction, each cut where it comes nearest; no run is empty."""
    ends = np.cumsum([len(group) for group in groups])
    middles = ends - np.array([len(group) for group in groups]) / 2
    cuts = [0]
    for run, share in enumerate(np.cumsum(fractions)[:-1], start=1):
        nearest = int(np.searchsorted(middles, share * ends[-1]))
        cuts.append(min(max(nearest, cuts[-1] + 1), len(groups) - (len(fractions) - run)))
    cuts.append(len(groups))
    return [[i for group in groups[start:end] for i in group] for start, end in zip(cuts[:-1], cuts[1:], strict=True)]


def _require_enough(distinct: dict[int, int], wanted: Sequence[int], class_names: Sequence[str] | None) -> None:
    few = [f"class {class_names[c] if class_names is not None else c} has {count} distinct usable "
           f"image{'' if count == 1 else 's'}" for c, count in distinct.items() if count < len(wanted)]
    if few:
        parts = " and ".join(", ".join(PARTS[part] for part in wanted).rsplit(", ", 1))
        need = f"{len(wanted)} are" if len(wanted) > 1 else "1 is"
        raise DataError(f"{_first(few)}; {need} needed, at least one for {parts}. Add images, or leave the class out.")


def _first(problems: Sequence[str]) -> str:
    more = f" and {len(problems) - _NAMED:,} more" if len(problems) > _NAMED else ""
    return ", ".join(problems[:_NAMED]) + more
