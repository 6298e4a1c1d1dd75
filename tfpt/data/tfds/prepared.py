"""The folders of prepared data sets: ``DATA_DIR/NAME[/CONFIG]/VERSION``, each with the files that TFDS wrote."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_MARK = "features.json"  # TFDS writes it last but one, into a folder of another name, which it renames in the end


@dataclass(frozen=True)
class PreparedSet:
    """What ``DATA_DIR/NAME`` holds: of each config (``""``: there are none) the folders by version, oldest first."""

    configs: Mapping[str, Mapping[str, Path]]
    default_config: str | None = None

    def folder(self, config: str | None, version: str | None) -> Path | None:
        """Of the newest ``version`` (``3.*.*`` too) of a config, by default the default one, or the only one."""
        if config is None:
            only = next(iter(self.configs)) if len(self.configs) == 1 and not self.default_config else None
            config = "" if "" in self.configs else self.default_config or only
        folders = self.configs.get(config or "", {})
        return next((folders[found] for found in reversed(list(folders)) if fnmatchcase(found, version or "*")), None)


def prepared_set(data_dir: str, name: str) -> PreparedSet:
    """What is prepared of a data set. Raises OSError: its folder can't be read."""
    folder = Path(data_dir, name)
    if not folder.is_dir():
        return PreparedSet({})
    found: dict[str, dict[str, Path]] = {"": _versions(folder)}
    found.update({entry.name: _versions(entry) for entry in sorted(folder.iterdir())
                  if entry.is_dir() and not _VERSION.fullmatch(entry.name)})
    return PreparedSet({config: versions for config, versions in found.items() if versions}, _default_config(folder))


def prepared_names(data_dir: str) -> list[str]:
    """The data sets that have something prepared. Raises OSError: a folder can't be read."""
    if not os.path.isdir(data_dir):
        return []
    return [name for name in sorted(os.listdir(data_dir)) if prepared_set(data_dir, name).configs]


def _versions(folder: Path) -> dict[str, Path]:
    found = [(tuple(map(int, match.groups())), entry) for entry in folder.iterdir()
             if (match := _VERSION.fullmatch(entry.name)) and (entry / _MARK).is_file()]
    return {entry.name: entry for _, entry in sorted(found)}


def _default_config(folder: Path) -> str | None:
    """As TFDS noted it when it prepared one of the configs."""
    try:
        noted = json.loads((folder / ".config" / "metadata.json").read_text(encoding="utf-8"))["default_config_name"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return noted if isinstance(noted, str) else None
