"""Which operations an export consists of, and which of them a server may lack or should not run. Nothing is loaded."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorflow.python.framework import op_def_registry

from tfpt.export.graph_reach import GRAPH, AssetNames, Graph
from tfpt.export.op_access import (CHECKPOINT_READERS, CHECKPOINT_WRITERS, TABLE_FILE_INPUT, may_reach_out,
                                   prints_to_a_stream)
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


@dataclass(frozen=True)
class OpReport:
    """What a server must know of an export's operations; names in order."""

    count: int
    python: tuple[str, ...]  # call Python: no server can
    text: tuple[str, ...]  # need tensorflow-text
    unknown: tuple[str, ...]  # neither TensorFlow's nor tensorflow-text's
    file_access: tuple[str, ...]  # may reach beyond the model when it is loaded or called: files, addresses, processes


def op_report(directory: Path) -> OpReport:
    """The operations of the SavedModel in ``directory``.

    All of its graph and its functions are judged, wherever they stand, but for those that only store or restore its
    variables. What a graph does not show stays unseen: which checkpoint a restoring operation opens, where a link in
    assets/ points, a loop without end, and the faults of TensorFlow's own kernels.

    Raises:
        ExportError: there is none, or it is damaged.
    """
    meta_graph = read_meta_graph(directory)
    return classify_ops(_all_ops(meta_graph.graph_def), _excused(meta_graph))


def classify_ops(ops: Iterable[str], excused: Iterable[str] = ()) -> OpReport:
    """Sort ``ops``; the ``excused`` do no harm where they stand."""
    names, harmless = frozenset(ops), frozenset(excused)
    text = {name for name in names if name in TEXT_OPS or name.startswith(TEXT_PREFIX)}
    python = names & PYTHON_OPS
    # tensorflow-text may be imported here, and is registered then: its ops are known by their names alone.
    unknown = {name for name in names - text - python if op_def_registry.get(name) is None}
    files = {name for name in names - text - python - unknown - harmless if may_reach_out(name)}
    return OpReport(len(names), *(tuple(sorted(group)) for group in (python, text, unknown, files)))


def python_ops(graph_def: Any) -> set[str]:
    """The operations of a GraphDef, its functions among them, that call Python."""
    return set(_all_ops(graph_def) & PYTHON_OPS)


def _all_ops(graph_def: Any) -> frozenset[str]:
    functions = graph_def.library.function
    nodes = [node for body in (graph_def.node, *(function.node_def for function in functions)) for node in body]
    own = {function.signature.name for function in functions}
    # A function can't hide an operation by taking its name.
    return frozenset({node.op for node in nodes if node.op not in own or op_def_registry.get(node.op) is not None})


def _excused(meta_graph: Any) -> frozenset[str]:
    """The operations that are excused in each place where they stand."""
    graph = Graph(meta_graph)
    if graph.ambiguous:
        return frozenset()
    assets = AssetNames(graph)
    definition = meta_graph.graph_def
    bodies = [(GRAPH, definition.node), *((function.signature.name, function.node_def)
                                          for function in definition.library.function)]
    excused: set[str] = set()
    refused: set[str] = set()
    for body, nodes in bodies:
        for node in nodes:
            (excused if _is_excused(graph, assets, body, node) else refused).add(node.op)
    return frozenset(excused - refused)


def _is_excused(graph: Graph, assets: AssetNames, body: str, node: Any) -> bool:
    if node.op in CHECKPOINT_WRITERS:
        return graph.only_saves(body, node.name)
    if node.op in CHECKPOINT_READERS:
        return graph.only_saves_or_restores(body, node.name)
    if node.op == "PrintV2":
        return prints_to_a_stream(node)
    index = TABLE_FILE_INPUT.get(node.op, len(node.input))
    return index < len(node.input) and assets.names_one(body, node.input[index])
