"""Run directories of others: a hostile model, config, run.json, backbone or checkpoint is refused, whatever reads it.

The checksums beside hostile checkpoints are right: whoever makes the one makes the other.
"""

import json
import os
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from tests.faults import hostile_files as make
from tests.faults import hostile_hdf5 as hdf5
from tests.faults import hostile_runs as change
from tests.faults.hostile_process import FOREIGN_PACKAGES, Worker
from tests.faults.hostile_runs import OUTSIDE, Change
from tests.faults.refusals import assert_nothing_ran, assert_refused, tree

HONEST = ("finetune-image", "--config", "image_classification/tiny", "--epochs", "1", "--unfreeze", "0", "--cache",
          "off", "--set", "data.train_per_class=4", "--run-dir", "run")
EVALUATE, PREDICT, EXPORT = ("evaluate", "run"), ("predict", "run", "picture.png"), ("export", "run")
RESUME = ("finetune-image", "--resume", "--run-dir", "run")
START_FROM = ("finetune-image", "--config", "image_classification/tiny", "--weights", "run")
BEFORE_CHECKPOINT = ("run/.lock", "tensorboard_logs")
"""What --resume makes before it looks at the checkpoint: the lock, an empty folder."""
AFTER_CHECKPOINT = (*BEFORE_CHECKPOINT, "run/run.json", "run/config.yaml", "run/metrics.jsonl",
                    "tensorboard_logs/run", "tensorboard_logs/run/*.beginning")
DAMAGED = "No whole checkpoint is left"


@dataclass(frozen=True)
class Case:
    """How the run is changed, what is called, and a pattern of the reason that is given."""

    name: str
    change: Change
    arguments: tuple[str, ...]
    reason: str
    code: int = 2
    may_write: tuple[str, ...] = field(default=())


def models() -> Iterator[Case]:
    """Every command that reads model.keras, and a run that starts from backbone.keras."""
    for command in (EVALUATE, PREDICT, EXPORT):
        yield Case(f"{command[0]}: Lambda", change.put("model.keras", make.write_lambda_model), command, "has a Lambda")
    yield Case("weights: Lambda", change.put("backbone.keras", make.write_lambda_model), START_FROM, "has a Lambda")
    for name, write, reason in (
            ("os.system", make.with_dense(activation=make.function("os", "system")), "calls the function 'os.system'"),
            ("petabytes", hdf5.with_weights("petabytes"), "weights claim"),
            ("chunk", hdf5.with_weights("chunk"), "weights claim"),
            ("huge layer", make.with_dense(units=400_000_000), "asks for weights of 8,000,000,000 bytes"),
            ("..", make.with_members({"../x": b""}), "leads out of its folder"),
            ("pickle", make.write_pickle, "not a zip file"), ("legacy", make.write_legacy_model, "not a zip file"),
            ("another model", lambda path: make.write_zip(path, make.model_parts()), "of one training")):
        yield Case(f"evaluate: {name}", change.put("model.keras", write), EVALUATE, reason)
    yield Case("predict: another model", change.put(
        "model.keras", lambda path: make.write_zip(path, make.model_parts())), PREDICT, "of one training")


def records() -> Iterator[Case]:
    """run.json and config.yaml."""
    for name, values, reason in (
            ("task", {"task": "os"}, "found 'os'"), ("metadata", {"metadata": {}}, "metadata"),
            ("no fingerprint", {"fingerprints": {}}, "fingerprint"),
            ("fingerprint", {"fingerprints": {"data": 5}}, "fingerprint"), ("seed", {"seed": "x"}, "seed"),
            ("large seed", {"seed": 2**80}, "seed"), ("epochs", {"epochs": -1}, "epochs")):
        yield Case(f"run.json: {name}", change.set_in("run.json", **values), EVALUATE, reason)
    for name, values in (("names", {"class_names": 7}), ("few names", {"class_names": ["a"]}),
                         ("size", {"image_size": "9"}), ("large size", {"image_size": 10**7})):
        for command in (EVALUATE, PREDICT):
            yield Case(f"{command[0]}: {name}", change.set_nested("run.json", "metadata", **values), command,
                       "class|image.size")
    yield Case("run.json: deep", change.text("run.json", '{"a":' * 100_000), EVALUATE, "recursion depth")
    yield Case("run.json: pipe", change.put("run.json", make.write_fifo), EVALUATE, "it is no file")
    yield Case("run.json: endless", change.put("run.json", lambda path: os.symlink("/dev/zero", path)), EVALUATE,
               "it is no file")
    for name, lines in change.CONSTRUCTORS.items():
        command = EVALUATE if len(name) % 2 else RESUME
        yield Case(f"{command[0]}: YAML {name}", change.add_to_config(lines), command, "not determine a constructor",
                   may_write=("run/.lock",))
    yield Case("config.yaml: aliases", change.add_to_config(change.ALIASES), EVALUATE, "aliases")
    for name, plan in (("list", [1]), ("cuts", {"cuts": [1]}), ("place", change.PLAN), (
            "rows", {**change.PLAN, "cuts": [], "phases": [7]})):
        yield Case(f"run.json: cache {name}", change.set_in("run.json", cache=plan), RESUME, "cache",
                   may_write=BEFORE_CHECKPOINT)
    yield Case("run.json: environment", change.set_in("run.json", environment={}), RESUME, "under other conditions",
               may_write=BEFORE_CHECKPOINT)


def descriptions() -> Iterator[Case]:
    """backbone.json, which settings are taken from."""
    for value, reason in (("[]", "JSON object"), ('{"alpha":' * 50_000, "recursion depth"), ('{"alpha": "x"}', "alpha"),
                          ('{"alpha": {}}', "alpha"), ('{"alpha": -3}', "alpha"), ('{"alpha": NaN}', "alpha"),
                          ('{"image_size": 1000000000}', "image_size"), ('{"image_size": "big"}', "image_size"),
                          ('{"image_size": -1}', "image_size"), ('{"backbone": 5}', "backbone"),
                          ('{"backbone": "\\u001b[31mred"}', r"\\x1b\[31mred")):
        yield Case(f"backbone.json: {value[:30]}", change.text("backbone.json", value), START_FROM, reason)


def checkpoints() -> Iterator[Case]:
    yield from (Case(f"checkpoint: {name}", edit, RESUME, f"{DAMAGED}.*{reason}", 4, BEFORE_CHECKPOINT)
                for name, edit, reason in (
        ("objects", change.checkpoint(state=change.pickled_arrays), "allow_pickle"),
        ("best objects", change.checkpoint(best=change.pickled_arrays), "allow_pickle"),
        ("pickle", change.checkpoint(state=pickle.dumps(make.Payload())), "not a zip file"),
        ("petabytes", change.checkpoint(state=change.huge_header), "allocate"),
        ("gigabytes", change.checkpoint(state=lambda content: change.huge_header(content, "(2000000000,)")), ""),
        ("zeros", change.checkpoint(state=change.deflated_zeros), "compressed"),
        ("best zeros", change.checkpoint(best=change.deflated_zeros), "compressed"),
        ("digests list", change.digests([1]), "sha256.json"), ("digests null", change.digests(None), ""),
        ("digests elsewhere", change.digests({"../../../secret.txt": "0"}), "sha256.json is of other files"),
        ("manifest list", change.checkpoint(manifest=b"[]"), ""), ("arrays", change.manifest(arrays=7), ""),
        ("arrays of numbers", change.manifest(arrays=[1, 2]), ""),
        ("manifest deep", change.checkpoint(manifest=b'{"a":' * 100_000), "recursion depth")))
    yield from (Case(f"state: {name}", edit, RESUME, "say how far its training was", may_write=BEFORE_CHECKPOINT)
                for name, edit in (
        ("list", change.manifest(state=[])), ("epoch", change.state(epoch="x")), ("past", change.state(epoch=-5)),
        ("unknown", change.state(evil=1)), ("history", change.state(history=7)), ("best", change.state(best={}))))
    yield Case("state: a callback's folder", change.state(callbacks=change.CALLBACKS), RESUME,
               "sets _folder of the callback TensorBoardSeries", may_write=AFTER_CHECKPOINT)


def links() -> Iterator[Case]:
    """Folders and files of the run that lead to what is not the run's."""
    yield Case("link: evaluation", change.linked("evaluation"), EVALUATE, "evaluation is a symbolic link")
    yield Case("link: checkpoints", change.linked("checkpoints"), RESUME, "checkpoints is a symbolic link",
               may_write=BEFORE_CHECKPOINT)
    yield Case("link: lock", change.linked(".lock", f"{OUTSIDE}/kept.txt"), RESUME, "symbolic link")


CASES = [*models(), *records(), *descriptions(), *checkpoints(), *links()]


@pytest.fixture(scope="module")
def worker(tmp_path_factory) -> Iterator[Worker]:
    process = Worker(tmp_path_factory.mktemp("cache"))
    yield process
    process.close()


@pytest.fixture(scope="module")
def honest(worker, tmp_path_factory) -> Path:
    """A finished run of one epoch, with its last checkpoint alone: a hostile one has no older one behind it."""
    folder = tmp_path_factory.mktemp("honest")
    answer = worker.run(folder, *HONEST)
    assert answer.code == 0, answer.stderr
    for older in sorted((folder / "run" / "checkpoints").iterdir())[:-1]:
        shutil.rmtree(older)
    return folder / "run"


@pytest.fixture
def folder(honest, tmp_path) -> Path:
    """Where the commands run: with a copy of the honest run, and what they must not touch."""
    place = tmp_path / "here"
    shutil.copytree(honest, place / "run", symlinks=True)
    (place / OUTSIDE / "00001-00000000.tmp").mkdir(parents=True)
    (place / OUTSIDE / "kept.txt").write_text("kept")
    (place / make.SECRET).write_text("the secret")
    Image.new("RGB", (9, 9)).save(place / "picture.png")
    for package in FOREIGN_PACKAGES:
        (place / f"{package}.py").write_text(f"import os\nos.system({make.COMMAND!r})\n")
    return place


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_run_directories(worker, folder, case):
    case.change(folder / "run")
    assert_refused(worker, folder, case.arguments, case.reason, case.code, case.may_write)


def test_an_honest_run_is_taken(worker, folder):
    for command in (EVALUATE, PREDICT, RESUME):
        answer = worker.run(folder, *command)
        assert answer.code == 0, answer.stderr
        assert_nothing_ran(answer, folder)


def test_what_is_written_anew_is_not_written_through_links(worker, folder):
    before = tree(folder / OUTSIDE)
    for file in ("metrics.jsonl", "labels.txt", "evaluation/test.json"):
        change.linked(file, f"{'../' * file.count('/')}{OUTSIDE}/kept.txt")(folder / "run")
    for command in (EVALUATE, RESUME):
        assert worker.run(folder, *command).code == 0
    assert tree(folder / OUTSIDE) == before


def test_names_of_classes_do_not_steer_the_terminal(worker, folder):
    names = [f"\x1b]0;owned\x07{number}" for number in range(10)]
    change.set_nested("run.json", "metadata", class_names=names)(folder / "run")
    for command in (EVALUATE, PREDICT):
        answer = worker.run(folder, *command)
        assert answer.code == 0 and "owned" in answer.stdout
        assert_nothing_ran(answer, folder)


def test_runs_lists_whatever_stands_there(worker, folder):
    texts = {"deep": '{"a":' * 100_000, "list": "[]", "escapes": json.dumps({"task": "\x1b[2J", "status": "\x1b[2J"}),
             "numbers": json.dumps({"task": 5, "began": 10**30, "phases": 7, "metrics": {"test": []}})}
    for name, content in texts.items():
        (folder / "runs" / name).mkdir(parents=True)
        (folder / "runs" / name / "run.json").write_text(content)
    (folder / "runs" / "pipe").mkdir()
    (folder / "runs" / "pipe" / "config.yaml").write_text(change.CONSTRUCTORS["apply"])
    make.write_fifo(folder / "runs" / "pipe" / "run.json")
    make.write_fifo(folder / "runs" / "pipe" / ".lock")
    answer = worker.run(folder, "runs")
    assert answer.code == 0 and all(name in answer.stdout for name in (*texts, "pipe"))
    assert_nothing_ran(answer, folder)


def test_how_many(capsys):
    with capsys.disabled():
        print(f"\n{len(CASES)} hostile run directories")
    assert len(CASES) >= 60
