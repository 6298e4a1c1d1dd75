import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.signatures import edit_graph, save
from tfpt.errors import CheckFailed, ExportError
from tfpt.export import graph_ops
from tfpt.export.ask import ask_cpp
from tfpt.export.graph_ops import OpReport, called_ops, classify_ops, export_ops, op_report, python_ops

FLOATS, TEXTS = tf.TensorSpec([None], tf.float32), tf.TensorSpec([None], tf.string)


def test_an_image_classifier_needs_only_tensorflow(small_export):
    ops = export_ops(small_export)
    assert {"Softmax", "TopKV2", "SaveV2", "RestoreV2"} <= ops
    assert not any(name.startswith("__inference") for name in ops)
    assert op_report(small_export) == OpReport(len(ops), (), (), (), ())
    assert called_ops(small_export) < ops and not called_ops(small_export) & {"SaveV2", "RestoreV2"}


def test_python_and_files_are_found_in_nested_functions(tmp_path):
    directory = save(
        tmp_path / "1", read=(lambda x: {"y": tf.map_fn(tf.io.read_file, x)}, TEXTS),
        listed=(lambda x: {"y": tf.data.Dataset.list_files(x[0]).reduce("", lambda a, b: a + b)}, TEXTS),
        python=(lambda x: {"y": tf.map_fn(lambda v: tf.numpy_function(abs, [v], tf.float32), x)}, FLOATS))
    report = op_report(directory)
    assert report.python == ("PyFunc",) and report.file_access == ("MatchingFiles", "ReadFile")
    assert report.unknown == report.text == () and report.count == len(export_ops(directory))


def test_what_only_runs_beside_a_signature_runs_too(tmp_path):
    def writes(x):
        tf.io.write_file("somewhere", x[0])
        return {"y": tf.identity(x)}

    assert op_report(save(tmp_path / "1", serving_default=(writes, TEXTS))).file_access == ("WriteFile",)


def test_the_vocabulary_of_a_table_is_no_file_access(tmp_path):
    (tmp_path / "words.txt").write_text("a\nb\n")
    module = tf.Module()
    module.table = tf.lookup.StaticVocabularyTable(tf.lookup.TextFileInitializer(
        str(tmp_path / "words.txt"), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER), 1)
    module.look_up = tf.function(lambda x: {"y": module.table.lookup(x)}, input_signature=[TEXTS])
    tf.saved_model.save(module, str(tmp_path / "1"), signatures=module.look_up)
    assert "InitializeTableFromTextFileV2" in called_ops(tmp_path / "1")
    assert op_report(tmp_path / "1").file_access == ()


def renamed(small_export: Path, directory: Path, name: str) -> Path:
    """The small export with another op in the place of Softmax."""
    shutil.copytree(small_export, directory)

    def rename(meta_graph):
        for function in meta_graph.graph_def.library.function:
            for node in function.node_def:
                node.op = name if node.op == "Softmax" else node.op

    edit_graph(directory, rename)
    return directory


@pytest.mark.parametrize("name, group", [("CaseFoldUTF8", "text"), ("TFText>RoundRobinTrim", "text"),
                                         ("Addons>Own", "unknown"), ("EagerPyFunc", "python")])
def test_ops_that_servers_lack(small_export, tmp_path, monkeypatch, name, group):
    directory = renamed(small_export, tmp_path / "1", name)
    expected = {"python": (), "text": (), "unknown": (), group: (name,)}
    report = op_report(directory)
    assert {key: getattr(report, key) for key in expected} == expected
    # As if tensorflow-text were imported here.
    real = graph_ops.op_def_registry.get
    monkeypatch.setattr(graph_ops.op_def_registry, "get", lambda op: True if group == "text" else real(op))
    assert op_report(directory) == report


def test_a_loader_may_not_notice_before_the_call(small_export, tmp_path):
    """Why the graph is read: C++ looks a function's ops up when it is first called."""
    directory = renamed(small_export, tmp_path / "1", "Addons>Own")
    assert ask_cpp(directory, "serving_default", []) == {}
    with pytest.raises(CheckFailed, match="Op type not registered 'Addons>Own'"):
        ask_cpp(directory, "serving_default", [{"image_bytes": [b"no image"]}])
    assert op_report(directory).unknown == ("Addons>Own",)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.sampled_from(["Add", "MatMul", "PyFunc", "CaseFoldUTF8", "TFText>X", "Nobody>Knows", "ReadFile"])),
       st.sets(st.sampled_from(["Add", "ReadFile", "SaveV2"])))
def test_every_op_is_in_its_group(ops, called):
    report = classify_ops(ops, called)
    assert report.count == len(ops)
    assert set(report.python) == ops & {"PyFunc"} and set(report.text) == ops & {"CaseFoldUTF8", "TFText>X"}
    assert set(report.unknown) == ops & {"Nobody>Knows"} and set(report.file_access) == called & {"ReadFile", "SaveV2"}
    assert set(classify_ops(ops).file_access) == ops & {"ReadFile"}


def test_python_is_found_before_saving():
    def graph_of(call):
        return tf.function(call, input_signature=[FLOATS]).get_concrete_function().graph.as_graph_def()

    assert python_ops(graph_of(lambda x: x + 1)) == set()
    assert python_ops(graph_of(lambda x: tf.py_function(lambda v: v, [x], tf.float32))) == {"EagerPyFunc"}
    nested = graph_of(lambda x: tf.map_fn(lambda v: tf.numpy_function(abs, [v], tf.float32, stateful=False), x))
    assert python_ops(nested) == {"PyFuncStateless"}


def test_no_or_a_damaged_saved_model(tmp_path):
    for ask in (op_report, export_ops, called_ops):
        with pytest.raises(ExportError, match="can't be read"):
            ask(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(ExportError, match="damaged"):
        op_report(tmp_path)
