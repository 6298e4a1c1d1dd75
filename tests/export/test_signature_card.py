import base64
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tests.data.image_files import save_photo
from tests.workflows.finished_runs import brightness_model
from tfpt import __version__
from tfpt.export.image_signatures import image_classifier_signatures
from tfpt.export.signature_card import EXAMPLE_FILES, signature_card
from tfpt.task import ServedModel, Signature, TensorInfo

PLACE = "http://127.0.0.1:8501"
SCORE = {"score": TensorInfo("float32", (None,), "from 0 to 1")}


@pytest.fixture(scope="module")
def served():
    model = brightness_model()
    return image_classifier_signatures(model, model.get_layer("head_pool").output, 32, ["dark", "light"])


def card_of(served, **changes):
    card = signature_card(served, **{"name": "photos-0001", "task": "image_classification", "version": 3,
                                     "format": "saved_model", "model_sha256": "ab" * 32, "exported": "2026-11-22",
                                     **changes})
    assert json.loads(json.dumps(card)) == card
    return card


def with_inputs(**inputs):
    """A served model whose only signature takes ``inputs``, a TensorInfo each."""
    signature = Signature("something to a score", inputs, SCORE, dict)
    return ServedModel({"serving_default": signature}, signature, "nothing", (), {})


@pytest.fixture
def server():
    """An HTTP server that keeps what it is sent: ``requests`` of (method, path, body)."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append((self.command, self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}\n")

        do_POST = do_GET

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield SimpleNamespace(requests=requests, place=f"http://127.0.0.1:{listening.server_port}")
    listening.shutdown()
    thread.join()
    listening.server_close()


def sent(server, command, folder, shell="bash"):
    """What the server gets when ``command`` is run in ``folder``: method, path, body."""
    assert PLACE in command
    done = subprocess.run([shell, "-c", command.replace(PLACE, server.place)], cwd=folder, capture_output=True,
                          timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"{}\n", b"")
    return server.requests.pop()


def tensors(instances, inputs):
    """Arrays by input name, from instances as TensorFlow Serving's REST interface reads them."""
    bare = not isinstance(instances[0], dict) or set(instances[0]) == {"b64"}
    assert not bare or len(inputs) == 1
    rows = [{next(iter(inputs)): instance} for instance in instances] if bare else instances
    assert all(row.keys() == inputs.keys() for row in rows)
    return {name: np.array([plain(row[name]) for row in rows], object if info.dtype == "bytes" else info.dtype)
            for name, info in inputs.items()}


def plain(value):
    if isinstance(value, list):
        return [plain(item) for item in value]
    return base64.b64decode(value["b64"], validate=True) if isinstance(value, dict) else value


def test_what_the_signatures_are(served):
    card = card_of(served, class_names=["dark", "light"])
    assert card["tfpt"] == {"version": __version__, "run": "photos-0001", "task": "image_classification", "export": 3,
                            "format": "saved_model", "model_sha256": "ab" * 32, "exported": "2026-11-22"}
    assert card["signatures"].keys() == served.signatures.keys()
    assert card["signatures"]["pixels"]["inputs"]["pixels"] == {
        "dtype": "float32", "shape": [None, None, None, 3], "about": "RGB levels from 0 to 255, images of one size"}
    assert card["signatures"]["serving_default"]["inputs"]["image_bytes"]["media"] == "image"
    assert card["signatures"]["features"]["outputs"].keys() == {"features", "valid"}
    assert card["class_names"] == ["dark", "light"] and card["clients_must"] == list(served.clients_must)
    assert "network" not in card and "class_names" not in card_of(served)


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_every_command_sends_what_the_export_answers(served, small_export, server, tmp_path, shell):
    for seed, name in enumerate(EXAMPLE_FILES["image"]):
        save_photo(tmp_path / name, seed=seed)
    loaded, called = tf.saved_model.load(str(small_export)), []
    for example in card_of(served)["examples"][1:]:
        method, path, body = sent(server, example["command"], tmp_path, shell)
        assert (method, path) == ("POST", "/v1/models/model:predict")
        request = json.loads(body)
        signature = request.get("signature_name", "serving_default")
        assert signature == example["signature"] and request.keys() <= {"signature_name", "instances"}
        inputs = tensors(request["instances"], served.signatures[signature].inputs)
        answers = loaded.signatures[signature](**{name: tf.constant(values) for name, values in inputs.items()})
        assert {len(values) for values in answers.values()} == {len(request["instances"])}
        assert answers.get("valid", tf.constant(True)).numpy().all()
        assert all(f'"{name}": ...' in example["answer"] for name in answers)
        called.append((signature, len(request["instances"])))
    assert called == [("serving_default", 1), ("serving_default", 2), ("pixels", 1), ("pixels_uint8", 1),
                      ("features", 1)]


def test_files_arrive_byte_for_byte(served, server, tmp_path):
    contents = [np.random.default_rng(seed).bytes(2_000_001 + seed) for seed in range(2)]
    for name, content in zip(EXAMPLE_FILES["image"], contents):
        (tmp_path / name).write_bytes(content)
    _, one, several, *_ = card_of(served)["examples"]
    for example, expected in ((one, contents[:1]), (several, contents)):
        instances = json.loads(sent(server, example["command"], tmp_path)[2])["instances"]
        assert [plain(instance) for instance in instances] == expected


def test_the_status_is_asked_for(served, server, tmp_path):
    assert sent(server, card_of(served)["examples"][0]["command"], tmp_path) == ("GET", "/v1/models/model", b"")


def test_text_goes_as_it_is(server, tmp_path):
    served = with_inputs(question=TensorInfo("bytes", (None,), "a question", "text"),
                         context=TensorInfo("bytes", (None, 2), "two paragraphs", "text"))
    _, _, several = card_of(served)["examples"]
    assert json.loads(sent(server, several["command"], tmp_path)[2]) == {"instances": [
        {"question": text, "context": [text, text]} for text in ("a first text", "a second text")]}
    assert several["answer"] == '{"predictions": [..., ...]}'


def test_files_beside_numbers_under_an_awkward_name(server, tmp_path):
    served = with_inputs(**{"it's 100%": TensorInfo("bytes", (None,), "any file"),
                            "length": TensorInfo("int64", (None,), "of it"),
                            "window": TensorInfo("float32", (None, 2, None), "numbers"),
                            "loud": TensorInfo("bool", (None,), "whether it is")})
    (tmp_path / "input.bin").write_bytes(b"\0%d'\"\\\n")
    _, one, _ = card_of(served)["examples"]
    instance, = json.loads(sent(server, one["command"], tmp_path)[2])["instances"]
    assert plain(instance.pop("it's 100%")) == b"\0%d'\"\\\n"
    assert instance == {"length": 0, "window": [[0.0], [0.0]], "loud": False}


def test_of_many_numbers_the_shape_is_shown():
    served = with_inputs(pixels=TensorInfo("float32", (None, 96, 1, 3), "of this very size"))
    _, one, several = card_of(served)["examples"]
    outline = "[[[0.0, ... 3 in all]], ... 96 in all]"
    assert one["body"] == f'{{"instances": [{outline}]}}' and "command" not in one
    assert several["body"] == f'{{"instances": [{outline}, {outline}]}}'
    assert "command" in card_of(with_inputs(pixels=TensorInfo("float32", (None, 8, 8), "")))["examples"][1]


@pytest.mark.parametrize("format, file", [("onnx", "model.onnx"), ("litert int8", "model.tflite")])
def test_formats_that_hold_the_network_alone(served, format, file):
    card = card_of(served, format=format, model_file=file, class_names=["dark", "light"])
    assert card["model_file"] == file and card["tfpt"]["format"] == format
    assert card["network"]["inputs"]["pixels"]["shape"] == [None, 32, 32, 3]
    assert card["network"]["outputs"].keys() == {"probabilities", "features"}
    assert served.beyond_network in card["clients_must"][0] and card["class_names"] == ["dark", "light"]
    assert not {"signatures", "examples"} & card.keys() and "curl" not in json.dumps(card)
