"""The formats of what docker/ holds, as far as it uses them.

Keys and shapes of a Compose file: compose-spec's schema/compose-spec.json. Of TensorFlow Serving, the flags:
tensorflow_serving/model_servers/main.cc; the messages that tensorflow-serving-api lacks: servables/tensorflow/
session_bundle_config.proto and config/monitoring_config.proto.
"""

import fnmatch
import re
import shlex
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2
from packaging.utils import canonicalize_name
from packaging.version import Version

FLAGS = {"port", "rest_api_port", "model_config_file", "enable_batching", "batching_parameters_file",
         "monitoring_config_file", "file_system_poll_wait_seconds", "rest_api_timeout_in_ms", "enable_model_warmup"}

DURATION, MEMORY, TEXT = r"(\d+(ms|s|m|h))+", r"\d+[bkmg]", r".+"
MOUNT = {"type": "bind", "source": TEXT, "target": r"/[\w./-]+", "read_only": bool, "bind": {"create_host_path": bool}}
SERVICE = {
    "image": r"[\w./-]+:[\w.-]+", "platform": r"linux/\w+", "entrypoint": [TEXT], "command": [TEXT], "init": bool,
    "ports": [r"[\d.]+:\d+:\d+"], "volumes": [MOUNT], "restart": "no|always|on-failure(:\\d+)?|unless-stopped",
    "healthcheck": {"test": [TEXT], "interval": DURATION, "timeout": DURATION, "retries": int,
                    "start_period": DURATION},
    "user": r"\d+:\d+", "read_only": bool, "tmpfs": [r"/\w+"], "cap_drop": ["[A-Z_]+"],
    "security_opt": ["no-new-privileges:true"], "mem_limit": MEMORY}
COMPOSE = {"name": r"[a-z0-9][a-z0-9_-]*", "services": {"serving": SERVICE}}

FIELDS = {
    "PrometheusConfig": {"enable": (1, "TYPE_BOOL"), "path": (2, "TYPE_STRING")},
    "MonitoringConfig": {"prometheus_config": (1, ".stand_in.PrometheusConfig")},
    "BatchingParameters": {"max_batch_size": (1, ".google.protobuf.Int64Value"),
                           "batch_timeout_micros": (2, ".google.protobuf.Int64Value"),
                           "max_enqueued_batches": (3, ".google.protobuf.Int64Value"),
                           "num_batch_threads": (4, ".google.protobuf.Int64Value")}}


def interpolated(value, environment):
    """Compose's ${NAME:-default}, ${NAME:?message} and $$ in all texts of ``value``."""
    if isinstance(value, dict):
        return {key: interpolated(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, environment) for item in value]

    def replaced(match):
        if match[0] == "$$":
            return "$"
        assert match["name"], f"a lone $ in {value}"
        if environment.get(match["name"]):
            return environment[match["name"]]
        if match["how"] == ":?":
            raise LookupError(match["rest"])
        return match["rest"]

    pattern = r"\$(\$|\{(?P<name>\w+)(?P<how>:[-?])(?P<rest>[^}]*)\}|)"
    return re.sub(pattern, replaced, value) if isinstance(value, str) else value


def check(value, shape, where):
    """``shape`` is a type, a pattern of text, a list with the shape of every item, or a mapping of known keys."""
    if isinstance(shape, dict):
        assert isinstance(value, dict) and value.keys() <= shape.keys(), f"{where}: {value}"
        for key, item in value.items():
            check(item, shape[key], f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list) and value, f"{where}: {value}"
        for item in value:
            check(item, shape[0], where)
    elif isinstance(shape, str):
        assert isinstance(value, str) and re.fullmatch(shape, value, re.DOTALL), f"{where}: {value!r}"
    else:
        assert type(value) is shape, f"{where}: {value!r}"


def messages():
    """The message classes of FIELDS by name."""
    file = descriptor_pb2.FileDescriptorProto(name="stand_in.proto", package="stand_in", syntax="proto3",
                                              dependency=[wrappers_pb2.DESCRIPTOR.name])
    for name, fields in FIELDS.items():
        described = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            typed = {"type_name": kind, "type": "TYPE_MESSAGE"} if kind.startswith(".") else {"type": kind}
            described.field.add(name=field, number=number, label="LABEL_OPTIONAL", **typed)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"stand_in.{name}")) for name in FIELDS}


def instructions(file: Path):
    """(name, rest) of each instruction of a Dockerfile, continued lines joined."""
    text = re.sub(r"^#.*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def copied(file: Path):
    """What a Dockerfile takes from the build's folder."""
    return [source for name, rest in instructions(file) if name == "COPY" for source in rest.split()[:-1]]


def pip_installs(file: Path):
    """(constraints file, what is installed) of each `pip install` of a Dockerfile, which does nothing else."""
    found = []
    for name, rest in instructions(file):
        for command in re.split(r"&&|;|\|\|", rest) if name == "RUN" else ():
            words = shlex.split(command)
            if words[:2] == ["pip", "install"]:
                assert words[2] == "-c" and len(words) == 5, command
                found.append((words[3], words[4]))
    return found


def pins(file: Path):
    """The version of each package in a file of pip's constraints, by its normalized name."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, version = re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups()
            assert canonicalize_name(name) not in found, name
            found[canonicalize_name(name)] = Version(version)
    return found


def ignored(path, dockerignore):
    """Whether the lines of ``dockerignore`` keep ``path`` from the build: the last that fits it, or a folder above."""
    out = False
    for line in dockerignore:
        if line and not line.startswith("#"):
            pattern = line.lstrip("!").removeprefix("**/")
            parts = path.split("/")
            places = parts if line.startswith("**/") else ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
            if any(fnmatch.fnmatchcase(place, pattern) for place in places):
                out = not line.startswith("!")
    return out
