"""Which features of a data set are the image and its class."""

from dataclasses import dataclass
from typing import Any

from tfpt.data.listing import printable
from tfpt.data.tfds.missing import first_names
from tfpt.errors import DataError


@dataclass(frozen=True)
class Columns:
    """The features' names; ``label`` is None where there is none. ``class_names`` are in TFDS's order."""

    image: str
    label: str | None
    class_names: tuple[str, ...]


def find_columns(info: Any, title: str, labelled: bool) -> Columns:
    """The image and the class by ``supervised_keys``, else the only ones there are.

    Args:
        info: TFDS's DatasetInfo.
        title: what the data set is called in texts.
        labelled: whether classes are needed.

    Raises:
        DataError: there is none, or several and nothing that says which; or two classes have one name.
    """
    import tensorflow_datasets as tfds

    features = dict(info.features.items()) if hasattr(info.features, "items") else {}
    keys = [key for key in info.supervised_keys or () if isinstance(key, str)]
    image = _only(features, keys, tfds.features.Image)
    label = _only(features, keys, tfds.features.ClassLabel)
    if image is None or (labelled and label is None):
        wanted = "one image and one class (ClassLabel) for each example were" if labelled else "one image was"
        found = ", ".join(f"{printable(name)} ({type(feature).__name__})" for name, feature in sorted(features.items()))
        raise DataError(f"{title} can't be used here: {wanted} expected, found {found or 'no named features'}. "
                        "Classification needs a data set of single labelled images.")
    return Columns(image, label, _class_names(features[label], title) if label is not None else ())


def _class_names(feature: Any, title: str) -> tuple[str, ...]:
    names = tuple(map(printable, feature.names))
    if len(set(names)) != feature.num_classes or len(names) != feature.num_classes:
        raise DataError(f"the names of the classes of {title} are damaged: {feature.num_classes:,} different ones were "
                        f"expected, found {first_names(names)} (*.labels.txt beside its files). Prepare it again.")
    return names


def _only(features: dict[str, Any], keys: list[str], kind: type) -> str | None:
    # By the exact class: a LabeledImage is a segmentation's answer, and a kind of Image too.
    named = [key for key in keys if type(features.get(key)) is kind]
    found = named or [name for name, feature in features.items() if type(feature) is kind]
    return found[0] if len(found) == 1 else None
