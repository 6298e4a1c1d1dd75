"""Every case of bad data has the outcome that the table gives it, leaves nothing behind, and is no bug of ours."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.image_files import class_folders
from tests.faults.bad_configs import ConfigCase, Reads
from tests.faults.bad_data import CASES, DataCase, Split
from tests.faults.bad_files import FILES, FileCase, LeftOut, PassedOver, Used, picture
from tests.faults.bad_surroundings import DRY_RUN, ProcessCase
from tests.faults.outcomes import CHECKOUT, Refused, assert_refused, half_written, is_one_paragraph, tree
from tfpt.cli import main
from tfpt.config.image_classification import ImageClassificationConfig, ImageDataConfig
from tfpt.config.loading import load_config
from tfpt.config.writing import leaf_settings
from tfpt.data.decode import resize_image
from tfpt.data.image_splits import image_splits
from tfpt.data.listing import printable
from tfpt.data.source import ImageSource
from tfpt.task import Splits

LEAST_CASES = 40
SIZE = 16
DEADLINE_SECONDS = 300


class CheckedFolder:
    """All ``FILES`` in one class folder, gone through once from the files and once with pixels held in memory."""

    def __init__(self, folder: Path):
        self.folder = folder / "odd"
        self.folder.mkdir()
        (folder / "other").mkdir()
        self.paths = {case.name: case.write(self.folder) for case in FILES}
        for number in range(3):
            picture(900 + number).save(folder / "other" / f"{number}.png")
        before = tree(folder)
        self.by_file, self.held = (self._check(folder, memory_mb) for memory_mb in (0, 100))
        self.unchanged = tree(folder) == before

    def _check(self, folder: Path, memory_mb: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """The pixels of each image by its name, and why the others aren't used."""
        config = ImageDataConfig(path=str(folder), image_size=SIZE, memory_mb=memory_mb)
        splits = image_splits(config, 0)
        pixels = {source.names[index]: source.load(index) for source in parts(splits) for index in range(len(source))}
        return pixels, {item.path: item.why for item in splits.left_out}


def parts(splits: Splits) -> tuple[ImageSource, ...]:
    return splits.train, splits.validation, splits.test


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> CheckedFolder:
    return CheckedFolder(tmp_path_factory.mktemp("files"))


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("TFPT_DEBUG", raising=False)
    return folder


@pytest.mark.filterwarnings("ignore:Palette images")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_data(case, request, here, own_cache):
    CHECKS[type(case)](case, here, request)
    assert half_written(own_cache) == []


def check_file(case: FileCase, here: Path, request: pytest.FixtureRequest) -> None:
    checked = request.getfixturevalue("checked")
    path = checked.paths[case.name]
    name = printable(str(path))
    for size, (pixels, left_out) in ((None, checked.by_file), (SIZE, checked.held)):
        assert (name in pixels, name in left_out) == (isinstance(case.outcome, Used), isinstance(case.outcome, LeftOut))
        if isinstance(case.outcome, LeftOut):
            assert left_out[name] == case.outcome.why
        elif isinstance(case.outcome, Used):
            expected = case.outcome.pixels(path)
            assert np.array_equal(pixels[name], resize_image(expected, size) if size else expected)
        else:
            assert isinstance(case.outcome, PassedOver)
    assert checked.unchanged


def check_data(case: DataCase, here: Path, request: pytest.FixtureRequest) -> None:
    data = case.make(here)
    before = tree(here)
    if isinstance(case.outcome, Refused):
        run_refused(case.outcome, [*DRY_RUN[:2], str(data), *DRY_RUN[3:]], request)
    else:
        check_split(case.outcome, data)
    assert tree(here) == before


def check_split(outcome: Split, data: Path) -> None:
    splits = image_splits(ImageDataConfig(path=str(data), image_size=8), 0)
    assert tuple(splits.metadata["class_names"]) == outcome.classes
    assert sum(map(len, parts(splits))) == outcome.images
    assert outcome.note in splits.summary
    below = f"{data if data.is_dir() else data.parent}/"
    left_out = {item.path.removeprefix(below): item.why for item in splits.left_out}
    assert left_out.keys() == outcome.left_out.keys()
    assert all(why in left_out[path] for path, why in outcome.left_out.items())
    train, validation, test = (set(source.hashes) for source in parts(splits))
    assert not (train & validation or train & test or validation & test)


def check_config(case: ConfigCase, here: Path, request: pytest.FixtureRequest) -> None:
    recipe = here / "mine.yaml" if case.recipe is not None else None
    if recipe is not None:
        recipe.write_bytes(case.recipe if isinstance(case.recipe, bytes) else case.recipe.encode())
    before = tree(here)
    if isinstance(case.outcome, Reads):
        config = load_config(ImageClassificationConfig, recipe=recipe, assignments=case.assignments)
        found = leaf_settings(config)
        assert {name: found[name] for name in case.outcome.values} == dict(case.outcome.values)
    else:
        named = ["--config", "mine.yaml"] if recipe is not None else []
        run_refused(case.outcome, ["finetune-image", *named, *(f"--set={text}" for text in case.assignments),
                                   "--dry-run"], request)
    assert tree(here) == before


def run_refused(outcome: Refused, arguments: list[str], request: pytest.FixtureRequest) -> None:
    output = request.getfixturevalue("capfd")
    code = main(arguments)
    assert_refused(outcome, code, output.readouterr().err)


def check_process(case: ProcessCase, here: Path, request: pytest.FixtureRequest) -> None:
    class_folders(here / "猫", {"a": 6, "b": 6})
    with case.around(here) as more:
        before = tree(here)
        code, output, errors = START.get(case.streams, redirected)(case, [*case.arguments, *more], here)
        changed = {path for path, _ in tree(here).items() ^ before.items()}
    assert code in case.codes, (code, output, errors)
    for found, expected in ((output, case.output), (errors, case.errors)):
        assert found == "" if expected is None else re.search(expected, found, re.MULTILINE), (output, errors)
    assert code != 2 or is_one_paragraph(errors.splitlines(True)[-1]), errors  # behind the progress of what was done
    assert "a bug of tfpt" not in errors and "Traceback" not in errors
    assert {Path(path).parts[0] for path in changed} == set(case.leaves)
    case.after(here)


Outcome = tuple[int, str, str]
"""Exit code, stdout, stderr."""


def command(case: ProcessCase, arguments: list[str]) -> list[str]:
    return [sys.executable, *(["-m", "tfpt"] if case.program is None else ["-c", case.program]), *arguments]


def environment(case: ProcessCase) -> dict[str, str]:
    changed = {**os.environ, "PYTHONPATH": str(CHECKOUT), **case.environment}
    return {name: value for name, value in changed.items() if value is not None}


def piped(case: ProcessCase, arguments: list[str], folder: Path) -> Outcome:
    done = subprocess.run(command(case, arguments), cwd=folder, env=environment(case), preexec_fn=case.before,
                          capture_output=True, timeout=DEADLINE_SECONDS)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def redirected(case: ProcessCase, arguments: list[str], folder: Path) -> Outcome:
    """``case.streams`` as a shell understands it; what it doesn't name stays a pipe."""
    shell = ["/bin/sh", "-c", f'exec "$@" {case.streams}', "sh", *command(case, arguments)]
    done = subprocess.run(shell, cwd=folder, env=environment(case), capture_output=True, timeout=DEADLINE_SECONDS)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def read_for_one_line(case: ProcessCase, arguments: list[str], folder: Path) -> Outcome:
    with subprocess.Popen(command(case, arguments), cwd=folder, env=environment(case), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "reading   猫\n".encode()
        process.stdout.close()
        errors = process.stderr.read().decode()
        return process.wait(DEADLINE_SECONDS), "", errors


def in_a_terminal(case: ProcessCase, arguments: list[str], folder: Path) -> Outcome:
    """Both streams are one there, told as stdout."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command(case, arguments), cwd=folder, env=environment(case), stdin=theirs,
                               stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # how Linux says that nobody holds the other end any more
        pass
    os.close(ours)
    return process.wait(DEADLINE_SECONDS), shown.decode("ascii").replace("\r\n", "\n"), ""


START: dict[str, Callable[[ProcessCase, list[str], Path], Outcome]] = {
    "pipes": piped, "head": read_for_one_line, "terminal": in_a_terminal}
CHECKS = {FileCase: check_file, DataCase: check_data, ConfigCase: check_config, ProcessCase: check_process}


def test_the_table_is_as_long_as_promised(capsys):
    assert len({case.name for case in CASES}) == len(CASES) >= LEAST_CASES
    with capsys.disabled():
        print(f"\n{len(CASES)} cases of bad data")
