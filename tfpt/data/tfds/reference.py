"""``tfds:NAME[:config][@split]``, taken apart."""

import re
from dataclasses import dataclass

from tfpt.data.listing import printable
from tfpt.errors import ConfigError, DataError

PREFIX = "tfds:"
FORM = "tfds:NAME, tfds:NAME:CONFIG or tfds:NAME@SPLIT (such as tfds:cifar10 or tfds:mnist@train[:10%])"
_VERSION = r"\d+\.(\d+|\*)\.(\d+|\*)"
_TEXT = re.compile(rf"(?P<name>\w+)([:/](?P<config>(?!{_VERSION}(@|$))[^:@\s]+))?(:(?P<version>{_VERSION}))?"
                   r"(@(?P<split>.+))?")


@dataclass(frozen=True)
class Reference:
    """A data set: its name, and what of config, version (``3.0.1`` or ``3.*.*``) and split was said.

    ``split`` is in TFDS's own language: ``train``, ``train[:10%]``, ``train+test``.
    """

    text: str
    name: str
    config: str | None = None
    version: str | None = None
    split: str | None = None


def is_reference(path: str) -> bool:
    """Whether ``path`` is meant as one."""
    return path.startswith(PREFIX)


def require_use(data_dir: str | None, path: str) -> None:
    """ConfigError if ``data_dir``, which is for such data sets alone, is given for another ``path``."""
    if data_dir is not None and not is_reference(path):
        raise ConfigError(f"data.data_dir (--data-dir) is {printable(data_dir)}, which says where data sets of "
                          f"TensorFlow Datasets are, but the data is {printable(path)}. Name one of those as "
                          "tfds:NAME, or leave data.data_dir out.")


def read_reference(text: str) -> Reference:
    """Take ``tfds:…`` apart. As TFDS itself does, ``NAME/CONFIG:VERSION`` is understood too.

    Raises:
        DataError: it has another form.
    """
    match = _TEXT.fullmatch(text.removeprefix(PREFIX))
    if match is None:
        raise DataError(f"{printable(text)} names no data set: {FORM} was expected.")
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", match["name"]).lower()  # ImageFolder is image_folder
    return Reference(text, name, match["config"], match["version"], match["split"])
