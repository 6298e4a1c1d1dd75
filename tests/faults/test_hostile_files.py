"""Files that want to run code, read other files, fill the memory or write elsewhere are refused, and say why.

Every command runs in a folder with decoys beside the file: modules that the file may have imported, and a secret.
"""

import pickle
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import pytest
import yaml

from tests.faults import hostile_files as make
from tests.faults import hostile_hdf5 as hdf5
from tests.faults.hostile_process import FOREIGN_PACKAGES, Worker
from tests.faults.hostile_runs import ALIASES, CONSTRUCTORS, DEEP_YAML
from tests.faults.refusals import assert_refused, tree

Write = Callable[[Path], None]
TINY = ("finetune-image", "--config", "image_classification/tiny")
NOT_TAKEN = "which tfpt doesn't take"


@dataclass(frozen=True)
class Case:
    """A file of this name, how it is made, and a pattern of the reason that is given."""

    name: str
    file: str
    write: Write
    reason: str


def keras_file(name: str, write: Write, reason: str) -> Case:
    return Case(name, "model.keras", write, reason)


def layer(class_name: str, reason: str, module: str = "keras.layers", **config: object) -> Case:
    return keras_file(f"layer {module}.{class_name}",
                      make.with_layer({"module": module, "class_name": class_name, "config": config}), reason)


def called(module: str, name: str, setting: str = "activation") -> Case:
    return keras_file(f"function {module}.{name}", make.with_dense(**{setting: make.function(module, name)}),
                      f"calls the function '{module}.{name}'")


INNER_LAMBDA = {"module": "keras.layers", "class_name": "Lambda", "registered_name": None,
                "config": {"name": "inner", "function": make.LAMBDA}}
CODE = [
    keras_file("Lambda", make.write_lambda_model, "a Lambda, which holds code"),
    layer("TimeDistributed", "a Lambda, which holds code", safe_mode=False, layer=INNER_LAMBDA),
    keras_file("lambda as activation", make.with_dense(activation=make.LAMBDA), "the code of a Python function"),
    keras_file("safe mode off, then Lambda", make.write_unsafe_then_lambda, "a Lambda, which holds code"),
    keras_file("call in place of a layer", make.write_called_function, "calls the function 'os.system'"),
    layer("system", "names 'os.system', which isn't a part of models", "os", command=make.COMMAND),
    layer("Popen", "names 'subprocess.Popen'", "subprocess", args=make.COMMAND),
    layer("Any", "names 'keras_cv.Any'", "keras_cv"),
    layer("Any", "names 'keras_hub.models.Any'", "keras_hub.models"),
    layer("lambda_layer", "names 'keras.src.layers.core.lambda_layer'", "keras.src.layers.core"),
    layer("TorchModuleWrapper", "a TorchModuleWrapper, which holds a pickle", module_bytes="x"),
    layer("TFSMLayer", "a TFSMLayer, which opens another model", filepath="model"),
    layer("JaxLayer", "a JaxLayer, which holds code", call_fn=make.LAMBDA),
    layer("StringLookup", "the file 'secret.txt' of this machine as a vocabulary", vocabulary=make.SECRET),
    layer("TextVectorization", "the file 'secret.txt' of this machine", vocabulary=make.SECRET),
    called("os", "system"), called("builtins", "eval"), called("keras.config", "enable_unsafe_deserialization"),
    called("keras.utils", "get_file", "kernel_initializer"), called("keras.utils", "set_random_seed"),
    called("keras.applications", "MobileNetV2"),
    keras_file("registered name", make.with_layer({"module": None, "class_name": "Dense", "config": {"units": 3},
                                                   "registered_name": "evil>Layer"}), "neither|isn't a part of models"),
    keras_file("type of another module", make.with_dense(units={
        "class_name": "__typespec__", "config": ["a"], "spec_name": "system", "module": "os"}), "'os.__typespec__'"),
    keras_file("name that is none", make.with_layer({"class_name": ["os"], "config": {}}), "which is no name"),
]
ARCHIVES = [
    keras_file("path as a layer's name", make.write_path_in_name, "names a layer '../.* leads out"),
    keras_file("member ..", make.with_members({f"../{make.CANARY}": b"", "assets/a": b""}), "member '../CANARY' leads"),
    keras_file("member /", make.with_members({"/tmp/x": b""}), "member '/tmp/x' leads out"),
    keras_file("member \\", make.with_members({"assets\\..\\..\\x": b""}), "leads out of its folder"),
    keras_file("symlink", make.write_symlink_member, "member 'assets/out' is a symbolic link"),
    keras_file("two configs", make.write_two_configs, "has 'config.json' twice"),
    keras_file("lying directory", make.write_lying_header, "claims to unpack to 4,294,"),
    keras_file("config bomb", make.write_config_bomb, "claims to unpack to 6[0-9]{2},"),
    keras_file("assets bomb", make.with_members({"assets/a": bytes(2**29)}, deflated=True), "claims to unpack to 5"),
    keras_file("huge layer", make.with_dense(units=400_000_000), "asks for weights of 8,000,000,000 bytes"),
    keras_file("huge text", make.with_dense(kernel_initializer={
        "class_name": "__numpy__", "config": {"value": ["a"], "dtype": "U1000000000"}}), "array of 'U1000000000'"),
    keras_file("list", make.with_members({make.CONFIG: b"[1]"}), "config.json holds a list"),
    keras_file("deep", make.with_members({make.CONFIG: b"[" * 100_000}), "recursion depth"),
    keras_file("deep layers", make.with_members({make.CONFIG: b'{"config":' * 900 + b"1" + b"}" * 900}), "recursion"),
    keras_file("no text", make.with_members({make.CONFIG: b"\xff\xfe{"}), "can't decode"),
    keras_file("a layer alone", make.with_members({
        make.CONFIG: b'{"module": "keras.layers", "class_name": "Dense", "config": {"units": 3}}'}), "holds a Dense"),
]
HDF5_REASONS = {
    "petabytes": "weights claim 3,600,000,000,000,", "four gigabytes": "weights claim 4,096,000,",
    "chunk": "weights claim 629,", "external storage": "whose numbers stand in another file",
    "external link": "a link .* to another place", "soft link": "a link .* to another place",
    "virtual": "whose numbers stand in another file", "texts": "not an array of numbers"}
WEIGHTS = [keras_file(f"weights: {trick}", hdf5.with_weights(trick), reason) for trick, reason in HDF5_REASONS.items()]
WEIGHTS += [Case(f".weights.h5: {trick}", "model.weights.h5", hdf5.weights_file(trick), reason)
            for trick, reason in HDF5_REASONS.items()]
DISGUISED = [
    *(keras_file(f"{write.__name__[6:]} as .keras", write, "isn't a Keras 3 file")
      for write in (make.write_pickle, make.write_joblib, make.write_tar, make.write_legacy_model, make.write_gzip)),
    *(keras_file(f"{write.__name__[6:]} as .keras", write, "a zip archive without config.json")
      for write in (make.write_torch, make.write_npz)),
    *(Case(f"{write.__name__[6:]} as .weights.h5", "model.weights.h5", write, "can't be read as an HDF5 file")
      for write in (make.write_pickle, make.write_joblib, make.write_npz)),
    Case("legacy model as .weights.h5", "model.weights.h5", make.write_legacy_model, "legacy Keras 2 format"),
    keras_file("pipe", make.write_fifo, "no such file"), keras_file("folder", make.write_keras_folder, "no such file"),
]
OTHER_FORMATS = [
    Case(file, file, write, NOT_TAKEN) for file, write in (
        ("model.pkl", make.write_pickle), ("model.pickle", make.write_pickle), ("model.joblib", make.write_joblib),
        ("model.pt", make.write_torch), ("model.pth", make.write_torch), ("model.npz", make.write_npz),
        ("model.npy", make.write_npy), ("model.h5", make.write_legacy_model), ("model.hdf5", make.write_legacy_model),
        ("model.ckpt", make.write_pickle), ("model.tar", make.write_tar), ("model.tar.gz", make.write_tar),
        ("model.zip", make.write_zip_of_pictures), ("saved_model", make.write_saved_model))]
ALL_WEIGHTS = [*CODE, *ARCHIVES, *WEIGHTS, *DISGUISED, *OTHER_FORMATS]


def text(content: str) -> Write:
    return lambda path: path.write_text(content, encoding="utf-8") and None


RECIPES = [
    *(Case(name, "recipe.yaml", text(content), "could not determine a constructor") for name, content
      in CONSTRUCTORS.items()),
    Case("aliases", "recipe.yaml", text(ALIASES), "aliases .* not allowed"),
    Case("deep", "recipe.yaml", text(DEEP_YAML), "nested too deeply"),
    Case("pickle", "recipe.yaml", make.write_pickle, "can't be read|special characters"),
    Case("zip", "recipe.yaml", make.write_zip_of_pictures, "can't be read|special characters"),
    Case("two megabytes", "recipe.yaml", text("# " + "x" * 2_000_000), "characters"),
]
DATA = [
    Case("tar", "photos.tar", make.write_tar, "photos.tar"), Case("tar.gz", "photos.tgz", make.write_tar, "photos.tgz"),
    Case("zip", "photos.zip", make.write_zip_of_pictures, "photos.zip"),
    Case("pickle", "photos.pkl", make.write_pickle, "photos.pkl"),
    Case("npz", "photos.npz", make.write_npz, "photos.npz"), Case("npy", "photos.npy", make.write_npy, "photos.npy"),
]


@pytest.fixture(scope="module")
def worker(tmp_path_factory) -> Iterator[Worker]:
    process = Worker(tmp_path_factory.mktemp("cache"))
    yield process
    process.close()


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the commands run: ``python -m tfpt`` looks for modules there first."""
    place = tmp_path / "here"
    place.mkdir()
    (place / make.SECRET).write_text("the secret " * 20)
    with h5py.File(place / "other.h5", "w") as file:
        file["numbers"] = [[1.0, 2.0, 3.0]] * 4
    for package in FOREIGN_PACKAGES:
        (place / f"{package}.py").write_text(f"import os\nos.system({make.COMMAND!r})\n")
    return place


@pytest.mark.parametrize("case", ALL_WEIGHTS, ids=lambda case: case.name)
def test_weights(worker, folder, case):
    case.write(folder / case.file)
    assert_refused(worker, folder, [*TINY, "--weights", f"./{case.file}"], case.reason)


@pytest.mark.parametrize("address", ["hf://someone/model", "https://127.0.0.1:9/a.keras", "gs://bucket/a.keras"])
def test_weights_of_other_places(worker, folder, address):
    assert_refused(worker, folder, [*TINY, "--weights", address], "names nothing here|there is no such file")


@pytest.mark.parametrize("case", RECIPES, ids=lambda case: case.name)
def test_recipes(worker, folder, case):
    case.write(folder / case.file)
    assert_refused(worker, folder, ["finetune-image", "--config", case.file], case.reason)


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_settings(worker, folder, name):
    value = CONSTRUCTORS[name].removeprefix("x: ").strip()
    assert_refused(worker, folder, [*TINY, "--set", f"data.path={value}"], "could not determine a constructor")


@pytest.mark.parametrize("case", DATA, ids=lambda case: case.name)
def test_data(worker, folder, case):
    case.write(folder / case.file)
    assert_refused(worker, folder, [*TINY, "--data", case.file], case.reason)


def test_pictures_that_a_csv_names_elsewhere_are_not_shown(worker, folder):
    (folder / "photos.csv").write_text("path,label\n" + "".join(f"{make.SECRET},{name}\n" for name in "abab"))
    assert_refused(worker, folder, [*TINY, "--data", "photos.csv"], "photos.csv|image")


def test_an_honest_file_comes_as_far_as_its_layers(worker, folder):
    """What is refused above is refused for its trick: the same file without one is opened, and found to be another."""
    make.write_zip(folder / "model.keras", make.model_parts())
    (folder / "model.weights.h5").write_bytes(make.model_parts()[make.WEIGHTS])
    for file in ("model.keras", "model.weights.h5"):
        answer = worker.run(folder, *TINY, "--weights", f"./{file}")
        assert answer.code == 2 and "It is no MobileNetV2 of any usual alpha" in answer.stderr


@pytest.mark.parametrize("load", [
    lambda path: (make.write_pickle(path), pickle.loads(path.read_bytes())),
    lambda path: yaml.unsafe_load(CONSTRUCTORS["apply"]),
    lambda path: (make.write_lambda_model(path),
                  keras.models.load_model(path, safe_mode=False, compile=False)(keras.ops.zeros((1, 4)))),
    lambda path: keras.saving.deserialize_keras_object(INNER_LAMBDA, safe_mode=False)(keras.ops.zeros(1)),
    lambda path: keras.saving.deserialize_keras_object(make.LAMBDA, safe_mode=False)(1),
], ids=["pickle", "yaml", "Lambda", "layer's code", "function's code"])
def test_the_payloads_run_where_they_are_trusted(tmp_path, monkeypatch, load):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load(tmp_path / "model.keras")
    assert make.CANARY in tree(tmp_path)


def test_how_many(capsys):
    with capsys.disabled():
        print(f"\n{len(ALL_WEIGHTS)} hostile weight files, {len(RECIPES) + len(CONSTRUCTORS)} recipes and settings, "
              f"{len(DATA) + 1} data files")
    assert len(ALL_WEIGHTS) >= 70
