"""docker/client.py as a user runs it, against a real server of each protocol."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.docker.serving_stand_in import Serving, serving

CLIENT = Path(__file__).resolve().parents[2] / "docker" / "client.py"
_spec = importlib.util.spec_from_file_location("serving_client", CLIENT)
client = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(client)


@pytest.fixture(scope="module")
def served(export):
    with serving(export, client.IMAGES_PER_REQUEST) as addresses:
        yield addresses


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """dark.png, light.jpg, and torn.png, which no decoder reads and which ends in zero bytes."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, level in (("dark.png", 40), ("light.jpg", 210)):
        Image.fromarray(np.full((30, 40, 3), level, np.uint8)).save(folder / name)
    (folder / "torn.png").write_bytes((folder / "dark.png").read_bytes()[:40] + b"\0\0")
    return folder


def ask(served: Serving, *arguments: str, folder: Path, **replaced: str) -> subprocess.CompletedProcess:
    """Runs the client in ``folder``, where a proxy that nobody runs is set, as in many offices."""
    addresses = {"rest": served.rest, "grpc": served.grpc, **replaced}
    nowhere = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "grpc_proxy")}
    return subprocess.run([sys.executable, str(CLIENT), *arguments, "--rest", addresses["rest"], "--grpc",
                           addresses["grpc"]], cwd=folder, env={**os.environ, **nowhere}, capture_output=True,
                          text=True, timeout=120)


def assert_one_line(done: subprocess.CompletedProcess, *parts: str) -> None:
    assert done.returncode == 1
    assert done.stderr.startswith("client.py: ") and done.stderr.count("\n") == 1, done.stderr
    for part in parts:
        assert part in done.stderr


def closed_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"127.0.0.1:{listening.getsockname()[1]}"


def test_both_protocols_say_what_the_model_says(served, export, pictures):
    names = ["dark.png", "torn.png", "light.jpg"]
    done = ask(served, *names, folder=pictures)
    assert done.returncode == 0 and done.stderr == ""
    model = tf.saved_model.load(str(export / "1")).signatures["serving_default"]
    scores = model(image_bytes=tf.constant([(pictures / name).read_bytes() for name in names]))["scores"].numpy()
    said = {"dark.png": f"dark  {scores[0, 0]:.6f}", "torn.png": "could not be decoded",
            "light.jpg": f"light  {scores[2, 0]:.6f}"}
    assert done.stdout.splitlines() == [f"{name}  {protocol}  {said[name]}" for name in names
                                        for protocol in ("REST", "gRPC")]
    assert scores[0, 0] > 0.9 and scores[2, 0] > 0.9


def test_more_images_than_a_request_may_hold_go_in_several(served, pictures):
    served.stand_in.asked.clear()
    most = client.IMAGES_PER_REQUEST
    done = ask(served, *["dark.png"] * (most + 2), folder=pictures)
    assert done.returncode == 0 and done.stdout.count("\n") == 2 * (most + 2)
    assert served.stand_in.asked == [("REST", most), ("gRPC", most), ("REST", 2), ("gRPC", 2)]


def test_a_signature_without_labels(served, pictures):
    done = ask(served, "dark.png", "torn.png", "--signature", "features", folder=pictures)
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:3] == ["dark.png  gRPC  features: 3 numbers",
                                             "torn.png  REST  could not be decoded"]


@pytest.mark.parametrize(("shift", "code"), [(1e-3, 1), (1e-7, 0)])
def test_scores_that_differ_between_the_protocols(export, pictures, shift, code):
    with serving(export, 32, rest_shift=shift) as served:
        done = ask(served, "dark.png", folder=pictures)
    assert done.returncode == code, done.stderr
    if code:
        assert_one_line(done, "differ in probabilities of dark.png")


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_nobody_listens(served, pictures, protocol):
    address = closed_address()
    done = ask(served, "dark.png", folder=pictures, **{protocol: address})
    assert_one_line(done, "REST" if protocol == "rest" else "gRPC", address, "refused")


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_somebody_listens_but_never_answers(served, pictures, protocol):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        done = ask(served, "dark.png", "--timeout", "1", folder=pictures, **{protocol: address})
    assert_one_line(done, address, "timed out" if protocol == "rest" else "DEADLINE_EXCEEDED")


def test_another_kind_of_server(served, pictures):
    assert_one_line(ask(served, "dark.png", folder=pictures, rest=served.grpc), served.grpc,
                    "not TensorFlow Serving's REST")


def test_a_model_or_signature_that_is_not_served(served, export, pictures):
    assert_one_line(ask(served, "dark.png", "--model", "nope", folder=pictures), "404", "Latest(nope)")
    assert_one_line(ask(served, "dark.png", "--signature", "nope", folder=pictures), "400", '\\"nope\\" not found')
    with serving(export, 32, name="other") as other:
        assert_one_line(ask(served, "dark.png", folder=pictures, grpc=other.grpc), "gRPC", "NOT_FOUND",
                        "Latest(model)")


def test_a_file_that_is_not_there(served, pictures):
    assert_one_line(ask(served, "dark.png", "gone.png", folder=pictures), "gone.png")


def test_the_stand_in_takes_columns_and_rows_alike(served, pictures):
    def post(content):
        request = urllib.request.Request(f"http://{served.rest}/v1/models/model:predict", json.dumps(content).encode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
            return json.load(response)

    files = [client.base64.b64encode((pictures / name).read_bytes()).decode() for name in ("dark.png", "light.jpg")]
    values = [{"b64": file} for file in files]
    rows = post({"instances": values})["predictions"]
    assert [row["labels"][0] for row in rows] == ["dark", "light"]
    assert post({"instances": [{"image_bytes": value} for value in values]})["predictions"] == rows
    by_name = post({"inputs": {"image_bytes": values}})["outputs"]
    assert post({"inputs": values})["outputs"] == by_name
    assert [dict(zip(by_name, row)) for row in zip(*by_name.values())] == rows


numbers = st.floats(-1, 1, width=32)
answers = st.fixed_dictionaries({"labels": st.lists(st.text(), min_size=2, max_size=2), "valid": st.booleans(),
                                 "scores": st.lists(numbers, min_size=2, max_size=5)})


@given(answers, numbers, st.data())
def test_answers_are_equal_up_to_the_tolerance(answer, shift, data):
    assert client.difference(answer, dict(answer)) is None
    index = data.draw(st.integers(0, len(answer["scores"]) - 1))
    scores = [score + shift * (place == index) for place, score in enumerate(answer["scores"])]
    moved = abs(scores[index] - answer["scores"][index]) > client.TOLERANCE
    assert client.difference(answer, {**answer, "scores": scores}) == ("scores" if moved else None)


@given(answers)
def test_answers_that_differ_otherwise(answer):
    def found(**changed):
        other = {**answer, **changed}
        assert client.difference(answer, other) == client.difference(other, answer)
        return client.difference(answer, other)

    best, second = answer["labels"]
    assert found(labels=[best + "x", second]) == "labels" and found(labels=[best, second + "x"]) is None
    assert found(valid=not answer["valid"]) == "valid"
    assert found(scores=answer["scores"][:-1]) == "scores"
    assert found(scores=[float("nan"), *answer["scores"][1:]]) == "scores"
    assert found(more=[1.0]) == "more"
