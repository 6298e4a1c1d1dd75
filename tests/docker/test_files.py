"""docker/: what a container engine, TensorFlow Serving and `docker build` would be given."""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from google.protobuf import text_format
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tensorflow_serving.config import model_server_config_pb2

from tests.docker.formats import (COMPOSE, FIELDS, FLAGS, SERVICE, check, copied, ignored, instructions, interpolated,
                                  messages, pins, pip_installs)
from tests.docker.serving_stand_in import serving
from tfpt.commands.export_summary import SERVING_IMAGE, export_lines
from tfpt.config.export import MODEL_NAME
from tfpt.export.signature_card import SERVER

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "docker"
DOCKERFILES = sorted(FOLDER.glob("Dockerfile*"))
DOCKERIGNORE = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
PINS = pins(FOLDER / "constraints.txt")


def parsed(file, empty):
    return text_format.Parse((FOLDER / file).read_text(encoding="utf-8"), empty)


def requirements(section="options", key="install_requires"):
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    return setup[section][key].strip().splitlines()


def tensorflow_minor(package="tensorflow"):
    return re.search(rf"^{package} >=(\d+\.\d+)", "\n".join(requirements()), re.MULTILINE)[1]


@pytest.fixture(scope="module")
def raw():
    return yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def service(raw):
    return interpolated(raw, {"TFPT_EXPORT": "/runs/photos-0001/export"})["services"]["serving"]


@pytest.fixture(scope="module")
def served_model():
    configs = parsed("models.config", model_server_config_pb2.ModelServerConfig()).model_config_list.config
    assert len(configs) == 1 and configs[0].model_platform == "tensorflow"
    return configs[0]


def flags(service):
    found = {}
    for argument in service["command"]:
        name, _, value = argument.removeprefix("--").partition("=")
        assert argument.startswith("--") and name in FLAGS, argument
        found[name] = value
    return found


def test_compose_file_is_of_the_specification(raw, service):
    check(interpolated(raw, {"TFPT_EXPORT": "/runs/photos-0001/export"}), COMPOSE, "compose.yaml")
    with pytest.raises(LookupError, match="set TFPT_EXPORT"):
        interpolated(raw, {})
    chosen = interpolated(raw, {"TFPT_EXPORT": "/e", "TFPT_USER": "7:8", "TFPT_MEMORY": "512m"})["services"]["serving"]
    assert (chosen["user"], chosen["mem_limit"]) == ("7:8", "512m")
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0:
        command = [docker, "compose", "-f", str(FOLDER / "compose.yaml"), "config", "--quiet"]
        settings = {name: value for name, value in os.environ.items() if not name.startswith("TFPT_")}
        done = subprocess.run(command, env={**settings, "TFPT_EXPORT": "/e"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        refused = subprocess.run(command, env=settings, capture_output=True, text=True)
        assert refused.returncode != 0 and "set TFPT_EXPORT" in refused.stderr


@pytest.mark.parametrize("broken", [{"portz": []}, {"ports": ["8501:8501"]}, {"read_only": "yes"}, {"init": 1},
                                    {"healthcheck": {"interval": "10"}}, {"mem_limit": 4}, {"command": []}])
def test_the_check_of_compose_files_finds_what_is_wrong(service, broken):
    with pytest.raises(AssertionError):
        check({**service, **broken}, SERVICE, "broken")


def test_server_and_mounts_fit_together(service, served_model):
    given = flags(service)
    assert service["entrypoint"] == ["tensorflow_model_server"] and service["init"]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}" for port in (given["rest_api_port"], given["port"])]
    mounts = {mount["target"]: mount for mount in service["volumes"]}
    assert all(mount["read_only"] for mount in mounts.values())
    model = mounts.pop(served_model.base_path)
    assert model["source"] == "/runs/photos-0001/export" and model["bind"] == {"create_host_path": False}
    configured = {value for name, value in given.items() if name.endswith("_file")}
    assert configured == mounts.keys()
    for target, mount in mounts.items():
        assert mount["source"].startswith("./") and (FOLDER / mount["source"]).is_file()
        assert Path(target).name == Path(mount["source"]).name


def test_the_container_may_do_little(service):
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith("0:")


def test_batching_and_monitoring(service):
    batching = parsed("batching.config", messages()["BatchingParameters"]())
    assert "enable_batching" in flags(service)
    assert all(getattr(batching, field).value > 0 for field in FIELDS["BatchingParameters"])
    client = (FOLDER / "client.py").read_text(encoding="utf-8")
    assert f"IMAGES_PER_REQUEST = {batching.max_batch_size.value} " in client
    monitoring = parsed("monitoring.config", messages()["MonitoringConfig"]()).prometheus_config
    assert monitoring.enable and monitoring.path == "/monitoring/prometheus/metrics"
    with pytest.raises(text_format.ParseError):
        text_format.Parse("max_batch_sizes { value: 32 }", messages()["BatchingParameters"]())


def test_serving_is_of_the_tensorflow_that_exports(service):
    image, version = service["image"].split(":")
    assert image == "tensorflow/serving" and re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert version.rpartition(".")[0] == tensorflow_minor() == tensorflow_minor("tensorflow-serving-api")


def test_what_an_export_publishes_is_what_the_mount_needs(export):
    number, = (name for name in os.listdir(export) if (export / name).is_dir())
    assert re.fullmatch(r"[1-9]\d*", number) and (export / number / "saved_model.pb").is_file()
    paths = [export, *export.rglob("*")]
    assert export / number / "assets.extra" / "tf_serving_warmup_requests" in paths
    for path in paths:  # the server is run by nobody
        needed = 0o5 if path.is_dir() else 0o4
        assert not path.is_symlink() and path.stat().st_mode & needed == needed, path


def test_an_export_is_told_to_be_served_and_asked_as_here(service, served_model, exported, export):
    ports = {name: f"127.0.0.1:{flags(service)[f'{flag}port']}" for name, flag in (("rest", "rest_api_"), ("grpc", ""))}
    assert service["image"] == SERVING_IMAGE and served_model.name == MODEL_NAME
    assert SERVER == f"http://{ports['rest']}/v1/models/{served_model.name}"
    serve, = (line for line in export_lines(exported) if line.startswith("serve "))
    words = shlex.split(serve)
    assert words[-1] == SERVING_IMAGE and words[words.index("-p") + 1] == service["ports"][0]
    assert words[words.index("-v") + 1] == f"{export}:{served_model.base_path}:ro"
    card = json.loads((Path(exported["export"]) / "signature.json").read_text(encoding="utf-8"))
    commands = [example["command"] for example in card["examples"] if "command" in example]
    assert commands and all(re.search(rf"{re.escape(SERVER)}(:predict)?$", command) for command in commands)
    told = subprocess.run([sys.executable, str(FOLDER / "client.py"), "--help"], capture_output=True, text=True,
                          env={**os.environ, "COLUMNS": "200"}, check=True).stdout
    for option, default in (*ports.items(), ("model", MODEL_NAME)):
        assert re.search(rf"--{option} .*default: {re.escape(default)}$", told, re.MULTILINE), option


def test_the_health_check_tells_a_server_that_is_ready(service, served_model, export):
    kind, *command = service["healthcheck"]["test"]
    port = flags(service)["rest_api_port"]
    assert kind == "CMD" and command[:2] == ["bash", "-c"] and command[2].count(f"/{port} ") == 1

    def healthy(address):
        script = command[2].replace(f"127.0.0.1/{port} ", address.replace(":", "/") + " ")
        return subprocess.run([*command[:2], script], capture_output=True, timeout=30).returncode == 0

    with serving(export, 32, name=served_model.name) as served:
        assert healthy(served.rest)
    assert not healthy(served.rest), "nobody listens any more"
    for settings in ({"state": "LOADING"}, {"state": "UNAVAILABLE"}, {"name": "another"}):
        with serving(export, 32, **{"name": served_model.name, **settings}) as served:
            assert not healthy(served.rest), settings


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_training_image(file):
    names = [name for name, _ in instructions(file)]
    assert set(names) <= {"FROM", "ENV", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "ENTRYPOINT"}
    found = {name: rest for name, rest in instructions(file)}  # the last of each
    python = re.fullmatch(r"python:(3\.\d+)\.\d+-slim-[a-z]+", found["FROM"])[1]
    assert names.count("FROM") == 1 and all(python in used for used in re.findall(r"python3\.\d+", file.read_text()))
    assert (found["ENTRYPOINT"], found["WORKDIR"]) == ('["tfpt"]', "/work") and '"/work"' in found["VOLUME"]
    assert re.fullmatch(r"[1-9]\d*", found["USER"]) and names.index("USER") > max(
        place for place, name in enumerate(names) if name == "RUN")
    assert [file for file, _ in pip_installs(file)] == ["docker/constraints.txt"] * 2
    extra = "[and-cuda]" if file.suffix == ".gpu" else ""
    assert [what for _, what in pip_installs(file)] == [f"tensorflow{extra}=={PINS['tensorflow']}", "."]


@pytest.mark.parametrize("requirement", map(Requirement, requirements()), ids=lambda requirement: requirement.name)
def test_what_setup_cfg_requires_is_pinned_within_its_range(requirement):
    assert PINS[canonicalize_name(requirement.name)] in requirement.specifier


def test_what_that_needs_is_pinned_too_and_no_developers_tool_is():
    wanted, seen = [(Requirement(line), "") for line in requirements()], set()
    while wanted:
        requirement, extra = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name == "setuptools" or requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        assert PINS[name] in requirement.specifier, requirement
        for chosen in {"", *requirement.extras} - {done for known, done in seen if known == name}:
            seen.add((name, chosen))
            if distribution(name).version == str(PINS[name]):  # another version may have other needs
                wanted += [(Requirement(line), chosen) for line in distribution(name).requires or []]
    tools = {canonicalize_name(Requirement(line).name) for line in requirements("options.extras_require", "dev")}
    assert "pytest" in tools and not tools & PINS.keys()


def test_the_build_gets_what_it_copies_and_nothing_else():
    assert len(DOCKERFILES) == 2 and copied(DOCKERFILES[0]) == copied(DOCKERFILES[1])
    sources = copied(DOCKERFILES[0])
    inside = ["tfpt/tasks/image_classification.py", "configs/image_classification/demo.yaml"]
    for name in sources + inside:
        assert (REPOSITORY / name).exists() and not ignored(name, DOCKERIGNORE), name
    names = [*os.listdir(REPOSITORY), *(f"docker/{name}" for name in os.listdir(FOLDER))]
    assert {name for name in names if not ignored(name, DOCKERIGNORE)} == set(sources)
    for name in (".git/config", "runs/photos-0001/model.keras", "photos/a.jpg", "tfpt/tasks/__pycache__/x.pyc"):
        assert ignored(name, DOCKERIGNORE), name


def test_what_the_build_copies_is_enough_to_install(tmp_path):
    for source in copied(DOCKERFILES[0]):
        place = REPOSITORY / source
        if place.is_dir():
            shutil.copytree(place, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (tmp_path / source).parent.mkdir(exist_ok=True)
            shutil.copy(place, tmp_path / source)
    done = subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
                           "--wheel-dir", "wheels", "."], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    wheel, = (tmp_path / "wheels").iterdir()
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {"tfpt/cli.py", "tfpt/export/publish.py", "tfpt/configs/image_classification/demo.yaml"} <= inside
    assert any(name.startswith("tfpt/assets/") for name in inside)
