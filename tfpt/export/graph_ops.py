"""Which operations an export consists of, and which of them a server may lack or should not run. Nothing is loaded."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorflow.python.framework import op_def_registry

from tfpt.export.saved_model_file import read_meta_graph

PYTHON_OPS = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction"})
TEXT_OPS = frozenset({
    "CaseFoldUTF8", "ConstrainedSequence", "FastBertNormalize", "FastWordpieceTokenizeWithOffsets",
    "FindSourceOffsets", "MaxSpanningTree", "NormalizeUTF8", "NormalizeUTF8WithOffsetsMap", "PhraseTokenize",
    "RegexSplitWithOffsets", "RougeL", "SentenceFragments", "SentenceFragmentsV2", "SentencepieceDetokenizeOp",
    "SentencepieceIdToStringOp", "SentencepieceOp", "SentencepieceStringToIdOp", "SentencepieceTokenizeOp",
    "SentencepieceTokenizeWithOffsetsOp", "SentencepieceVocabSizeOp", "SplitMergeTokenizeWithOffsets",
    "TokenizerFromLogits", "UnicodeScriptTokenizeWithOffsets", "WhitespaceTokenizeWithOffsets",
    "WordpieceTokenizeWithOffsets"})
"""Of tensorflow-text 2.21.1, beside those whose names begin with ``TEXT_PREFIX``."""
TEXT_PREFIX = "TFText>"
FILE_OPS = frozenset({
    "ReadFile", "WriteFile", "MatchingFiles", "MatchingFilesDataset", "WholeFileReader", "WholeFileReaderV2",
    "TextLineReader", "TextLineReaderV2", "FixedLengthRecordReader", "FixedLengthRecordReaderV2", "TFRecordReader",
    "TFRecordReaderV2", "LMDBReader", "TextLineDataset", "TFRecordDataset", "TFRecordDatasetV2",
    "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2", "CSVDataset", "CSVDatasetV2", "ExperimentalCSVDataset",
    "LMDBDataset", "ExperimentalLMDBDataset", "SqlDataset", "ExperimentalSqlDataset", "CacheDataset", "CacheDatasetV2",
    "SnapshotDataset", "SnapshotDatasetV2", "SnapshotDatasetReader", "SnapshotChunkDataset",
    "ListSnapshotChunksDataset", "LoadDataset", "SaveDataset", "SaveDatasetV2", "DistributedSave", "DatasetToTFRecord",
    "ExperimentalDatasetToTFRecord", "Save", "SaveSlices", "SaveV2", "Restore", "RestoreSlice", "RestoreV2",
    "DTensorRestoreV2", "MergeV2Checkpoints", "LoadAndRemapMatrix", "GenerateVocabRemapping", "CreateSummaryFileWriter",
    "CreateSummaryDbWriter", "RecordInput", "DumpTensor", "CalibrationStatisticsSaver"})
"""What reads or writes files. Not the initialisers of tables: they read an asset of the export when it is loaded."""


@dataclass(frozen=True)
class OpReport:
    """What a server must know of an export's operations; names in order."""

    count: int
    python: tuple[str, ...]  # call Python: no server can
    text: tuple[str, ...]  # need tensorflow-text
    unknown: tuple[str, ...]  # neither TensorFlow's nor tensorflow-text's
    file_access: tuple[str, ...]  # read or write files when the model is loaded or called


def op_report(directory: Path) -> OpReport:
    """The operations of the SavedModel in ``directory``. ExportError: there is none, or it is damaged."""
    meta_graph = read_meta_graph(directory)
    return classify_ops(_all_ops(meta_graph.graph_def), _called_ops(meta_graph))


def export_ops(directory: Path) -> frozenset[str]:
    """All operations of a SavedModel, in the graph and its functions. ExportError: there is none, or it is damaged."""
    return _all_ops(read_meta_graph(directory).graph_def)


def called_ops(directory: Path) -> frozenset[str]:
    """Those that run when its signatures are called, or when it is initialised: not the ones that store and restore
    its variables. ExportError: as ``export_ops``.
    """
    return _called_ops(read_meta_graph(directory))


def classify_ops(ops: Iterable[str], called: Iterable[str] | None = None) -> OpReport:
    """Sort ``ops``; file access is looked for among the ``called`` alone, if they are given."""
    names = frozenset(ops)
    text = {name for name in names if name in TEXT_OPS or name.startswith(TEXT_PREFIX)}
    python = names & PYTHON_OPS
    # tensorflow-text may be imported here, and is registered then: its ops are known by their names alone.
    unknown = {name for name in names - text - python if op_def_registry.get(name) is None}
    files = FILE_OPS & (names if called is None else frozenset(called))
    return OpReport(len(names), *(tuple(sorted(group)) for group in (python, text, unknown, files)))


def python_ops(graph_def: Any) -> set[str]:
    """The operations of a GraphDef, its functions among them, that call Python."""
    return set(_all_ops(graph_def) & PYTHON_OPS)


def _all_ops(graph_def: Any) -> frozenset[str]:
    functions = graph_def.library.function
    nodes = [node for body in (graph_def.node, *(function.node_def for function in functions)) for node in body]
    return frozenset({node.op for node in nodes} - {function.signature.name for function in functions})


def _called_ops(meta_graph: Any) -> frozenset[str]:
    bodies = {function.signature.name: function.node_def for function in meta_graph.graph_def.library.function}
    called = _needed_nodes(meta_graph)
    waiting, entered = [name for node in called for name in _functions_of(node)], set()
    while waiting:
        function = waiting.pop()
        if function in bodies and function not in entered:
            entered.add(function)
            called += bodies[function]
            waiting += [name for node in bodies[function] for name in _functions_of(node)]
    return frozenset({node.op for node in called} - bodies.keys())


def _needed_nodes(meta_graph: Any) -> list[Any]:
    """Those of the graph, without its functions, that the outputs of signatures depend on."""
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    waiting = [info.name for signature in meta_graph.signature_def.values() for info in signature.outputs.values()]
    needed: dict[str, Any] = {}
    while waiting:
        name = waiting.pop().lstrip("^").partition(":")[0]
        if name in nodes and name not in needed:
            needed[name] = nodes[name]
            waiting += nodes[name].input
    return list(needed.values())


def _functions_of(node: Any) -> Iterator[str]:
    """The names of what a node calls; its op itself may be a function."""
    yield node.op
    for value in node.attr.values():
        yield value.func.name
        for function in value.list.func:
            yield function.name
