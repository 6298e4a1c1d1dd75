"""Every command and every Python block of README and docs/ is run, in a folder that holds what they speak of."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.image_files import save_photo
from tests.data.tfds.prepared_sets import pictures, prepare
from tests.fake_imagenet import write_fake_imagenet

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted(page for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
               if re.search(r"^```(sh|python)$", page.read_text(encoding="utf-8"), re.MULTILINE))
DONE_BY_CI = ("python3 -m venv .venv", ".venv/bin/pip install", ".venv/bin/pytest")
"""Parts of commands that .ci/run carries out itself: they need the package index, or are the test run at hand."""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if line and not line.startswith("#")]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [part.replace(".venv/bin/", "") for part in parts if not part.startswith(DONE_BY_CI)]


@pytest.fixture(scope="module")
def keras_home(tmp_path_factory):
    """A Keras cache with a file in the place of ImageNet's weights: there is no network in the tests."""
    home = tmp_path_factory.mktemp("keras")
    write_fake_imagenet(home, alpha=1.0, size=224)
    return home


@pytest.fixture
def folder(tmp_path):
    """photos/ (one image broken), more-photos/, new-photos/, photos.csv, sets/ with flowers prepared by TensorFlow
    Datasets, and the recipes shown in the docs.
    """
    for place, count in (("photos", 8), ("more-photos", 3)):
        for kind, name in enumerate(["birds", "flowers", "insects"]):
            for number in range(count):
                save_photo(tmp_path / place / name / f"{number}.jpg", seed=100 * count + 10 * kind + number)
    save_photo(tmp_path / "new-photos" / "one.jpg", seed=1)
    prepare(tmp_path / "sets", {"train": pictures(60), "test": pictures(12, 100)}, name="flowers")
    (tmp_path / "photos" / "birds" / "broken.jpg").write_bytes(b"no image")
    rows = [f"{file.relative_to(tmp_path)},{file.parent.name}" for file in sorted((tmp_path / "photos").rglob("*.jpg"))]
    (tmp_path / "photos.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    for page in ("images.md", "tuning.md"):
        text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
        for name, recipe in re.findall(r"`(\w+\.yaml)`:\n\n```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            (tmp_path / name).write_text(recipe)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_what_the_page_shows_runs(page, folder, keras_home):
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "KERAS_HOME": str(keras_home), "PATH": scripts + os.pathsep + os.environ["PATH"],
                   "TFPT_CACHE": str(folder / "cache")}
    steps = [["bash", "-c", command] for command in commands(page)]
    steps += [[sys.executable, "-c", block] for block in blocks(page, "python")]
    assert steps
    for step in steps:
        done = subprocess.run(step, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{step[-1]}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_readme_begins_with_the_two_lines_that_ci_carries_out():
    first, second = blocks(REPOSITORY / "README.md", "sh")[:2]
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    for line, parts in ((first, ["install .", "finetune-image --unfreeze 10"]), (second, ["-e '.[dev]'", "pytest"])):
        assert line.count("\n") == 1 and line.startswith("python3 -m venv .venv && .venv/bin/pip install")
        for part in parts:
            assert part in line and part in script.replace("--quiet --no-deps --force-reinstall ", ""), part


def test_links_between_pages_lead_somewhere():
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
