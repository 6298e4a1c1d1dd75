"""Runs ``decode_graph.py``'s graph by TensorFlow's C API: it is there in a third of a second, Python's in some."""

import ctypes
import os
from collections.abc import Sequence
from typing import Any

from tfpt.data.header import BrokenImage

INPUT, OUTPUT = "contents", "result"
UNDECODABLE = "truncated or damaged: its pixels can't be decoded"

_TEXT_TYPE, _TEXT_BYTES = 7, 24
"""The number of TensorFlow's type for texts, and the bytes of a TF_TString, which such a tensor is made of."""

_OK, _RESOURCE_EXHAUSTED = 0, 8


class _Output(ctypes.Structure):
    """TF_Output: one of the tensors that an operation of the graph gives."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


_POINTER, _INT, _SIZE, _NAME = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p
_OUTPUTS, _POINTERS = ctypes.POINTER(_Output), ctypes.POINTER(_POINTER)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "TF_NewStatus": (_POINTER, []),
    "TF_GetCode": (_INT, [_POINTER]),
    "TF_Message": (_NAME, [_POINTER]),
    "TF_NewBufferFromString": (_POINTER, [_NAME, _SIZE]),
    "TF_NewGraph": (_POINTER, []),
    "TF_NewImportGraphDefOptions": (_POINTER, []),
    "TF_GraphImportGraphDef": (None, [_POINTER, _POINTER, _POINTER, _POINTER]),
    "TF_GraphOperationByName": (_POINTER, [_POINTER, _NAME]),
    "TF_NewSessionOptions": (_POINTER, []),
    "TF_SetConfig": (None, [_POINTER, _NAME, _SIZE, _POINTER]),
    "TF_NewSession": (_POINTER, [_POINTER, _POINTER, _POINTER]),
    "TF_SessionRun": (None, [_POINTER, _POINTER, _OUTPUTS, _POINTERS, _INT, _OUTPUTS, _POINTERS, _INT, _POINTERS, _INT,
                             _POINTER, _POINTER]),
    "TF_AllocateTensor": (_POINTER, [_INT, _POINTER, _INT, _SIZE]),
    "TF_DeleteTensor": (None, [_POINTER]),
    "TF_TensorByteSize": (_SIZE, [_POINTER]),
    "TF_TensorData": (_POINTER, [_POINTER]),
    "TF_StringInit": (None, [_POINTER]),
    "TF_StringAssignView": (None, [_POINTER, _NAME, _SIZE]),
}


class GraphDecoder:
    """Called with a file's bytes, it gives those of the graph's result. It stays until the process ends."""

    def __init__(self, library: ctypes.CDLL, graph: bytes, session: bytes):
        """``library``: what ``load_library`` gave. Starts threads."""
        self._library = library
        self._status = library.TF_NewStatus()
        self._graph = library.TF_NewGraph()
        definition = library.TF_NewBufferFromString(graph, len(graph))
        library.TF_GraphImportGraphDef(self._graph, definition, library.TF_NewImportGraphDefOptions(), self._status)
        self._require()
        options = library.TF_NewSessionOptions()
        library.TF_SetConfig(options, session, len(session), self._status)
        self._require()
        self._session = library.TF_NewSession(self._graph, options, self._status)
        self._require()
        self._input, self._output = (_Output(library.TF_GraphOperationByName(self._graph, name.encode()), 0)
                                     for name in (INPUT, OUTPUT))

    def __call__(self, contents: bytes) -> bytes:
        """Raises BrokenImage: the bytes can't be decoded. MemoryError: there is not enough for it."""
        library = self._library
        text = library.TF_AllocateTensor(_TEXT_TYPE, None, 0, _TEXT_BYTES)
        library.TF_StringInit(library.TF_TensorData(text))
        library.TF_StringAssignView(library.TF_TensorData(text), contents, len(contents))
        results = (_POINTER * 1)()
        try:
            library.TF_SessionRun(self._session, None, self._input, (_POINTER * 1)(text), 1, self._output, results, 1,
                                  None, 0, None, self._status)
            code = library.TF_GetCode(self._status)
            if code == _RESOURCE_EXHAUSTED:
                raise MemoryError
            if code != _OK:
                raise BrokenImage(UNDECODABLE)
            return ctypes.string_at(library.TF_TensorData(results[0]), library.TF_TensorByteSize(results[0]))
        finally:
            for tensor in (text, results[0]):  # no tensor, if the call failed, is nothing to it
                library.TF_DeleteTensor(tensor)

    def _require(self) -> None:
        if self._library.TF_GetCode(self._status) != _OK:
            raise RuntimeError(self._library.TF_Message(self._status).decode(errors="replace"))


def load_library(libraries: Sequence[str]) -> ctypes.CDLL:
    """TensorFlow's C API. Raises OSError or AttributeError: it isn't there, or has other functions."""
    library = system = ctypes.CDLL(None)
    system.dlopen.restype, system.dlopen.argtypes = _POINTER, [_NAME, _INT]
    for path in libraries:  # the first one's symbols are needed by the second
        # ctypes itself would look up all of the library's functions now, which takes half as long again.
        handle = system.dlopen(os.fsencode(path), os.RTLD_LAZY | os.RTLD_GLOBAL)
        if handle is None:
            raise OSError(f"{path} can't be loaded")
        library = ctypes.CDLL(path, handle=handle)
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
