"""Answers requests through the C API of TensorFlow's shared libraries, without TensorFlow in Python.

The C++ code that loads a SavedModel there is that of TensorFlow Serving.
"""

import ctypes
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

_spec = importlib.util.spec_from_file_location("job", Path(__file__).with_name("job.py"))
assert _spec is not None and _spec.loader is not None
_job = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_job)

TEXT_TYPE = 7
TEXT_SIZE = 24
"""Bytes of a TF_TString, which a tensor of texts is an array of."""
NUMBER_TYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 8: "complex64", 9: "int64",
                10: "bool", 17: "uint16", 18: "complex128", 19: "float16", 22: "uint32", 23: "uint64"}
TYPES = {"object": TEXT_TYPE, **{name: number for number, name in NUMBER_TYPES.items()}}


class Output(ctypes.Structure):
    """TF_Output: one of the tensors that an operation of the graph gives."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


_POINTER, _INT, _SIZE, _NAME = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p
_OUTPUTS, _POINTERS, _SIDES = ctypes.POINTER(Output), ctypes.POINTER(_POINTER), ctypes.POINTER(ctypes.c_int64)
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "TF_NewStatus": (_POINTER, []),
    "TF_GetCode": (_INT, [_POINTER]),
    "TF_Message": (_NAME, [_POINTER]),
    "TF_NewGraph": (_POINTER, []),
    "TF_NewSessionOptions": (_POINTER, []),
    "TF_LoadLibrary": (_POINTER, [_NAME, _POINTER]),
    "TF_LoadSessionFromSavedModel": (_POINTER, [_POINTER, _POINTER, _NAME, ctypes.POINTER(_NAME), _INT, _POINTER,
                                                _POINTER, _POINTER]),
    "TF_GraphOperationByName": (_POINTER, [_POINTER, _NAME]),
    "TF_SessionRun": (None, [_POINTER, _POINTER, _OUTPUTS, _POINTERS, _INT, _OUTPUTS, _POINTERS, _INT, _POINTERS, _INT,
                             _POINTER, _POINTER]),
    "TF_AllocateTensor": (_POINTER, [_INT, _SIDES, _INT, _SIZE]),
    "TF_DeleteTensor": (None, [_POINTER]),
    "TF_TensorType": (_INT, [_POINTER]),
    "TF_NumDims": (_INT, [_POINTER]),
    "TF_Dim": (ctypes.c_int64, [_POINTER, _INT]),
    "TF_TensorData": (_POINTER, [_POINTER]),
    "TF_StringInit": (None, [_POINTER]),
    "TF_StringCopy": (None, [_POINTER, _NAME, _SIZE]),
    "TF_StringGetDataPointer": (_POINTER, [_POINTER]),
    "TF_StringGetSize": (_SIZE, [_POINTER]),
}


class Session:
    """A SavedModel, loaded until the process ends. Called with arrays by the signature's input names."""

    def __init__(self, library: ctypes.CDLL, job: dict[str, Any]):
        self._library, self._status = library, library.TF_NewStatus()
        for path in job["op_libraries"]:
            library.TF_LoadLibrary(path.encode(), self._status)
            self._check()
        self._graph = library.TF_NewGraph()
        self._session = library.TF_LoadSessionFromSavedModel(
            library.TF_NewSessionOptions(), None, job["directory"].encode(), (_NAME * 1)(b"serve"), 1, self._graph,
            None, self._status)
        self._check()
        self._inputs = {name: self._output(tensor["tensor"]) for name, tensor in job["inputs"].items()}
        self._outputs = {name: self._output(tensor["tensor"]) for name, tensor in job["outputs"].items()}

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        tensors = (_POINTER * len(batch))(*[self._tensor(values) for values in batch.values()])
        places = (Output * len(batch))(*[self._inputs[name] for name in batch])
        results = (_POINTER * len(self._outputs))()
        try:
            self._library.TF_SessionRun(
                self._session, None, places, tensors, len(tensors), (Output * len(results))(*self._outputs.values()),
                results, len(results), None, 0, None, self._status)
            self._check()
            return {name: self._array(result) for name, result in zip(self._outputs, results)}
        finally:
            for tensor in (*tensors, *results):  # with its texts; no tensor, if the call failed, is nothing to it
                self._library.TF_DeleteTensor(tensor)

    def _check(self) -> None:
        if self._library.TF_GetCode(self._status) != 0:
            raise RuntimeError(self._library.TF_Message(self._status).decode(errors="replace"))

    def _output(self, tensor: str) -> Output:
        name, _, index = tensor.partition(":")
        operation = self._library.TF_GraphOperationByName(self._graph, name.encode())
        if operation is None:
            raise RuntimeError(f"the signature names a tensor {tensor}, which the graph doesn't have")
        return Output(operation, int(index or 0))

    def _tensor(self, values: np.ndarray) -> int:
        library, is_text = self._library, values.dtype == object
        size = values.size * TEXT_SIZE if is_text else values.nbytes
        tensor = library.TF_AllocateTensor(TYPES[str(values.dtype)], (ctypes.c_int64 * values.ndim)(*values.shape),
                                           values.ndim, size)
        data = library.TF_TensorData(tensor)
        if is_text:
            for number, text in enumerate(values.ravel()):
                library.TF_StringInit(data + number * TEXT_SIZE)
                library.TF_StringCopy(data + number * TEXT_SIZE, text, len(text))
        elif size:
            ctypes.memmove(data, np.ascontiguousarray(values).ctypes.data, size)
        return int(tensor)

    def _array(self, tensor: int) -> np.ndarray:
        library, number_type = self._library, self._library.TF_TensorType(tensor)
        shape = [library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor))]
        data = library.TF_TensorData(tensor)
        if number_type == TEXT_TYPE:
            array = np.empty(shape, object)
            array.reshape(-1)[:] = [self._text(data + number * TEXT_SIZE) for number in range(array.size)]
            return array
        if number_type not in NUMBER_TYPES:
            raise RuntimeError(f"an output has TensorFlow's data type {number_type}, which can't be read")
        array = np.empty(shape, NUMBER_TYPES[number_type])
        if array.nbytes:
            ctypes.memmove(array.ctypes.data, data, array.nbytes)
        return array

    def _text(self, place: int) -> bytes:
        return ctypes.string_at(self._library.TF_StringGetDataPointer(place), self._library.TF_StringGetSize(place))


def open_model(job: dict[str, Any]) -> Session:
    for path in job["libraries"]:  # the first one's symbols are needed by the second
        library = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return Session(library, job)


if __name__ == "__main__":
    _job.run_job(open_model)
