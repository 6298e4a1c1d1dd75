"""Asks a served image classifier by REST and by gRPC, and checks that both answer the same: an example to copy from.

    python docker/client.py IMAGE...

REST needs nothing but Python. gRPC needs tensorflow-serving-api, and that needs TensorFlow: hence the first seconds.
"""

import argparse
import base64
import contextlib
import http.client
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

IMAGES_PER_REQUEST = 32  # what batching.config lets a request hold
TOLERANCE = 1e-6  # the last bits depend on what the server runs in the same batch


def ask_rest(address, model, signature, images, timeout):
    """What the outputs hold by name, for each image. RuntimeError: the server can't be reached, or refuses."""
    rows = [{"image_bytes": {"b64": base64.b64encode(image).decode()}} for image in images]
    request = urllib.request.Request(f"http://{address}/v1/models/{urllib.parse.quote(model, safe='')}:predict",
                                     json.dumps({"signature_name": signature, "instances": rows}).encode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy would not find this machine
    try:
        with opener.open(request, timeout=timeout) as response:
            return json.load(response)["predictions"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"REST at {address}: {error.code} {error.read().decode(errors='replace')}") from error
    except OSError as error:
        raise RuntimeError(f"REST at {address} can't be reached: {getattr(error, 'reason', error)}") from error
    except (http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        raise RuntimeError(f"What answers at {address} is not TensorFlow Serving's REST: {error!r}") from error


def ask_grpc(address, model, signature, images, timeout):
    """The same as ask_rest."""
    with silence():
        import grpc
        from tensorflow import make_ndarray, make_tensor_proto
        from tensorflow_serving.apis.predict_pb2 import PredictRequest
        from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    request.inputs["image_bytes"].CopyFrom(make_tensor_proto(images))
    try:
        with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
            response = PredictionServiceStub(channel).Predict(request, timeout=timeout)
    except grpc.RpcError as error:
        raise RuntimeError(f"gRPC at {address} failed: {error.code().name} {error.details()}") from error
    outputs = {name: make_ndarray(tensor).tolist() for name, tensor in response.outputs.items()}
    return [{name: decoded(rows[index]) for name, rows in outputs.items()} for index in range(len(images))]


@contextlib.contextmanager
def silence():
    """What TensorFlow's libraries say while they are loaded, past Python, goes nowhere."""
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def decoded(value):
    """Texts come as bytes by gRPC."""
    if isinstance(value, list):
        return [decoded(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def difference(one, other):
    """The first output in which two answers differ, or None. Of the labels the best counts: others may tie."""
    for name in sorted(one.keys() | other.keys()):
        a, b = (row if isinstance(row, list) else [row] for row in (one.get(name, []), other.get(name, [])))
        equal = [x == y if isinstance(x, str) else abs(x - y) <= TOLERANCE * max(1, abs(x)) for x, y in zip(a, b)]
        if len(a) != len(b) or not all(equal[:1] if name == "labels" else equal):
            return name


def described(answer):
    if not answer.get("valid", True):
        return "could not be decoded"
    if "labels" in answer:
        return f"{answer['labels'][0]}  {answer['scores'][0]:.6f}"
    return ", ".join(f"{name}: {len(value)} numbers" for name, value in answer.items() if isinstance(value, list))


def main():
    parser = argparse.ArgumentParser(description="Ask a served image classifier by REST and by gRPC.")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="JPEG, PNG, GIF or BMP files")
    parser.add_argument("--rest", default="127.0.0.1:8501", metavar="HOST:PORT", help="default: %(default)s")
    parser.add_argument("--grpc", default="127.0.0.1:8500", metavar="HOST:PORT", help="default: %(default)s")
    parser.add_argument("--model", default="model", help="its name in models.config; default: %(default)s")
    parser.add_argument("--signature", default="serving_default", help="or features; default: %(default)s")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="default: %(default)s")
    chosen = parser.parse_args()
    for start in range(0, len(chosen.images), IMAGES_PER_REQUEST):
        paths = chosen.images[start:start + IMAGES_PER_REQUEST]
        ask = (chosen.model, chosen.signature, [path.read_bytes() for path in paths], chosen.timeout)
        for path, rest, grpc in zip(paths, ask_rest(chosen.rest, *ask), ask_grpc(chosen.grpc, *ask)):
            print(f"{path}  REST  {described(rest)}\n{path}  gRPC  {described(grpc)}")
            if differing := difference(rest, grpc):
                raise RuntimeError(f"REST and gRPC differ in {differing} of {path}")


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, ImportError) as error:
        sys.exit(f"client.py: {' '.join(str(error).split())}")
