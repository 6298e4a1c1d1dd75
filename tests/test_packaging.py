"""setup.cfg lists what it must: every package, the recipes, and a reason for each dependency."""

import configparser
import re
from pathlib import Path

import pytest

import tfpt

CHECKOUT = Path(tfpt.__file__).parents[1]
pytestmark = pytest.mark.skipif(not (CHECKOUT / "setup.cfg").exists(), reason="tests of the checkout, not of a wheel")


def setup():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    return parser


def names(text):
    return [re.split(r"[ <>=;\[]", line)[0] for line in text.strip().splitlines()]


def test_every_package_is_listed():
    found = {".".join(path.parent.relative_to(CHECKOUT).parts) for path in CHECKOUT.glob("tfpt/**/__init__.py")}
    assert set(names(setup()["options"]["packages"])) == found | {"tfpt.configs"}


def test_every_dependency_has_its_line_of_reasons():
    reasons = (CHECKOUT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    extras = setup()["options.extras_require"]
    required = [name for listed in (setup()["options"]["install_requires"], *extras.values()) for name in names(listed)]
    first_cells = re.findall(r"^\| ([\w, -]+) \|", reasons, re.MULTILINE)
    assert {name for cell in first_cells for name in cell.split(", ")} - {"Package", "---"} == set(required)


def test_the_developers_have_every_extra():
    extras = setup()["options.extras_require"]
    lines = {line for extra in extras for line in extras[extra].strip().splitlines()}
    assert lines == set(extras["dev"].strip().splitlines())
