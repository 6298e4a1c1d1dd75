"""A stand-in for TensorFlow Serving, with real sockets: Predict by gRPC, predict and status by REST, on 127.0.0.1.

What it answers, and how it refuses, follows tensorflow_serving/model_servers/http_rest_api_handler.cc,
util/json_tensor.cc, servables/tensorflow/predict_util.cc and the batch scheduler.
"""

import base64
import contextlib
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tfpt.config.export import MODEL_NAME

HTTP_CODES = {grpc.StatusCode.NOT_FOUND: 404, grpc.StatusCode.INVALID_ARGUMENT: 400,
              grpc.StatusCode.FAILED_PRECONDITION: 412}
PATH = re.compile(r"/v1/models/([^/:]+)(?::predict)?")


class Refusal(Exception):
    """What the server says no with."""

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code = code


@dataclass
class StandIn:
    """A model under ``name`` that refuses requests of more than ``most_rows``, as batching does.

    ``rest_shift`` is added to all scores that go out by REST. ``asked`` collects the rows of each request.
    """

    name: str
    signatures: Mapping[str, Any]
    most_rows: int
    state: str = "AVAILABLE"
    rest_shift: float = 0.0
    asked: list[tuple[str, int]] = field(default_factory=list)

    def expect(self, model: str) -> None:
        if model != self.name:
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({model})")

    def predict(self, protocol: str, signature: Any, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        expected = signature.structured_input_signature[1]
        if inputs.keys() != expected.keys():
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT,
                          f"input size does not match signature: sent {sorted(inputs)}, expected {sorted(expected)}")
        tensors = {name: tf.constant(value, expected[name].dtype) for name, value in inputs.items()}
        rows = len(next(iter(inputs.values())))
        self.asked.append((protocol, rows))
        if rows > self.most_rows:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT,
                          f"Task size {rows} is larger than maximum input batch size {self.most_rows}")
        return {name: value.numpy() for name, value in signature(**tensors).items()}


@dataclass(frozen=True)
class Serving:
    """Where a stand-in listens, and itself."""

    rest: str
    grpc: str
    stand_in: StandIn


@contextlib.contextmanager
def serving(export: Path, most_rows: int, name: str = MODEL_NAME, **settings: Any) -> Iterator[Serving]:
    """Serve the newest version in ``export``, until the block ends."""
    newest = max((path for path in export.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    loaded = tf.saved_model.load(str(newest))
    stand_in = StandIn(name, loaded.signatures, most_rows, **settings)
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"stand_in": stand_in}))
    grpc_server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(stand_in), grpc_server)
    grpc_port = grpc_server.add_insecure_port("127.0.0.1:0")
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    grpc_server.start()
    try:
        yield Serving(f"127.0.0.1:{http_server.server_port}", f"127.0.0.1:{grpc_port}", stand_in)
    finally:
        http_server.shutdown()
        http_server.server_close()
        grpc_server.stop(None).wait()


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    """gRPC."""

    def __init__(self, stand_in: StandIn):
        self.stand_in = stand_in

    def Predict(self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext) -> Any:
        try:
            self.stand_in.expect(request.model_spec.name)
            name = request.model_spec.signature_name or "serving_default"
            if name not in self.stand_in.signatures:
                raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
            inputs = {key: tf.make_ndarray(tensor) for key, tensor in request.inputs.items()}
            outputs = self.stand_in.predict("gRPC", self.stand_in.signatures[name], inputs)
        except Refusal as refusal:
            context.abort(refusal.code, str(refusal))
        response = predict_pb2.PredictResponse()
        for key, value in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response


class Handler(BaseHTTPRequestHandler):
    """REST."""

    protocol_version = "HTTP/1.1"
    stand_in: StandIn

    def do_GET(self) -> None:
        model = self._model()
        if model != self.stand_in.name:
            self._answer(404, {"error": f"Could not find any versions of model {model}"})
            return
        status = {"version": "1", "state": self.stand_in.state, "status": {"error_code": "OK", "error_message": ""}}
        self._answer(200, {"model_version_status": [status]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            self.stand_in.expect(self._model())
            name = body.get("signature_name", "serving_default")
            if name not in self.stand_in.signatures:
                raise Refusal(grpc.StatusCode.INVALID_ARGUMENT,
                              f'Serving signature name: "{name}" not found in signature def')
            signature = self.stand_in.signatures[name]
            by_rows = "instances" in body
            inputs = columns(body["instances"] if by_rows else body["inputs"], signature, by_rows)
            outputs = self.stand_in.predict("REST", signature, inputs)
        except Refusal as refusal:
            self._answer(HTTP_CODES[refusal.code], {"error": str(refusal)})
            return
        lists = {key: jsonable(key, value + self.stand_in.rest_shift if value.dtype == np.float32 else value)
                 for key, value in sorted(outputs.items())}
        self._answer(200, {"predictions": rows_of(lists)} if by_rows else {"outputs": unwrapped(lists)})

    def _model(self) -> str:
        found = PATH.fullmatch(self.path)
        return found[1] if found else ""

    def _answer(self, code: int, content: Any) -> None:
        body = json.dumps(content, indent=1, ensure_ascii=False).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Requests are not for the test's output."""


def columns(given: Any, signature: Any, by_rows: bool) -> dict[str, list[Any]]:
    """Inputs by name. A value that stands alone is the only input's."""
    only = next(iter(signature.structured_input_signature[1]))
    if by_rows:
        rows = [row if _has_names(row) else {only: row} for row in given]
        return {name: [_decoded(row[name]) for row in rows] for name in rows[0]}
    return {name: _decoded(value) for name, value in (given if _has_names(given) else {only: given}).items()}


def _has_names(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() != {"b64"}


def _decoded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return base64.b64decode(value["b64"], validate=True)
    return [_decoded(item) for item in value] if isinstance(value, list) else value


def rows_of(outputs: Mapping[str, Sequence[Any]]) -> list[Any]:
    """One object for each row; of a single output its value alone."""
    return [unwrapped(dict(zip(outputs, row))) for row in zip(*outputs.values(), strict=True)]


def unwrapped(outputs: Mapping[str, Any]) -> Any:
    return outputs if len(outputs) > 1 else next(iter(outputs.values()))


def jsonable(name: str, value: Any) -> Any:
    """Floats with as many digits as tell float32 numbers apart; texts as they are, but those called ``…_bytes``."""
    if isinstance(value, np.ndarray):
        return [jsonable(name, item) for item in value]
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()} if name.endswith("_bytes") else value.decode()
    return float(f"{value:.9g}") if isinstance(value, np.float32) else value.item()
