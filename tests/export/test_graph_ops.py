import shutil
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.signatures import edit_graph, save
from tfpt.errors import CheckFailed, ExportError
from tfpt.export import graph_ops
from tfpt.export.ask import ask_cpp
from tfpt.export.graph_ops import OpReport, classify_ops, op_report, python_ops
from tfpt.export.saved_model_file import read_meta_graph

FLOATS, TEXTS = tf.TensorSpec([None], tf.float32), tf.TensorSpec([None], tf.string)


def test_an_image_classifier_needs_only_tensorflow(small_export):
    definition = read_meta_graph(small_export).graph_def
    ops = {node.op for function in definition.library.function for node in function.node_def}
    ops |= {node.op for node in definition.node}
    assert {"Softmax", "TopKV2", "SaveV2", "RestoreV2"} <= ops
    ops -= {function.signature.name for function in definition.library.function}
    assert op_report(small_export) == OpReport(len(ops), (), (), (), ())


def test_python_and_files_are_found_in_nested_functions(tmp_path):
    directory = save(
        tmp_path / "1", read=(lambda x: {"y": tf.map_fn(tf.io.read_file, x)}, TEXTS),
        listed=(lambda x: {"y": tf.data.Dataset.list_files(x[0]).reduce("", lambda a, b: a + b)}, TEXTS),
        python=(lambda x: {"y": tf.map_fn(lambda v: tf.numpy_function(abs, [v], tf.float32), x)}, FLOATS))
    report = op_report(directory)
    assert report.python == ("PyFunc",) and report.file_access == ("MatchingFiles", "ReadFile")
    assert report.unknown == report.text == ()


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
    graph = read_meta_graph(tmp_path / "1").graph_def
    assert "InitializeTableFromTextFileV2" in str(graph) and op_report(tmp_path / "1").file_access == ()

    def leaves(meta_graph):
        meta_graph.asset_file_def[0].filename = "../../words.txt"

    edit_graph(tmp_path / "1", leaves)
    assert op_report(tmp_path / "1").file_access == ("InitializeTableFromTextFileV2",)


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
    monkeypatch.setattr(graph_ops.op_def_registry, "get",
                        lambda op: real("Softmax" if group == "text" and op == name else op))
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
       st.sets(st.sampled_from(["Add", "ReadFile", "SaveV2", "PyFunc"])))
def test_every_op_is_in_its_group(ops, excused):
    report = classify_ops(ops, excused)
    assert report.count == len(ops)
    assert set(report.python) == ops & {"PyFunc"} and set(report.text) == ops & {"CaseFoldUTF8", "TFText>X"}
    assert set(report.unknown) == ops & {"Nobody>Knows"}
    assert set(report.file_access) == ops & {"ReadFile"} - excused


def test_python_is_found_before_saving():
    def graph_of(call):
        return tf.function(call, input_signature=[FLOATS]).get_concrete_function().graph.as_graph_def()

    assert python_ops(graph_of(lambda x: x + 1)) == set()
    assert python_ops(graph_of(lambda x: tf.py_function(lambda v: v, [x], tf.float32))) == {"EagerPyFunc"}
    nested = graph_of(lambda x: tf.map_fn(lambda v: tf.numpy_function(abs, [v], tf.float32, stateful=False), x))
    assert python_ops(nested) == {"PyFuncStateless"}


def test_no_or_a_damaged_saved_model(tmp_path):
    with pytest.raises(ExportError, match="can't be read"):
        op_report(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(ExportError, match="damaged"):
        op_report(tmp_path)


class Writes(tf.saved_model.experimental.TrackableResource):
    """Writes a file when it is loaded."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.handle = self.resource_handle

    def _create_resource(self):
        return tf.raw_ops.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

    def _initialize(self):
        tf.io.write_file(self.path, "written")


def doubling(directory, **parts):
    """A variable times the input, as serving_default."""
    module = tf.Module()
    module.variable = tf.Variable([2.0])
    module.parts = parts
    call = tf.function(lambda x: {"y": module.variable * x}, input_signature=[FLOATS])
    tf.saved_model.save(module, str(directory), signatures=call)
    return directory


@pytest.mark.parametrize("way", ["signature", "object graph", "saved_model_main_op", "legacy_init_op"])
def test_what_runs_as_it_is_loaded(tmp_path, way):
    directory = doubling(tmp_path / "1", resource=Writes(str(tmp_path / "file")))

    def hide(meta_graph):
        op = meta_graph.signature_def.pop("__saved_model_init_op").outputs["__saved_model_init_op"].name
        meta_graph.collection_def.clear()
        if way != "object graph":
            meta_graph.ClearField("object_graph_def")
            meta_graph.collection_def[way].node_list.value.append(op)

    if way != "signature":
        edit_graph(directory, hide)
    assert op_report(directory).file_access == ("WriteFile",)
    (tmp_path / "file").unlink(missing_ok=True)
    if way == "object graph":  # it does run
        tf.saved_model.load(str(directory))
        assert (tmp_path / "file").exists()


def add_node(meta_graph, name, op, *inputs):
    node = meta_graph.graph_def.node.add(name=name, op=op)
    node.input.extend(inputs)
    return node


def saver_node(meta_graph, field):
    name = getattr(meta_graph.saver_def, field).partition(":")[0]
    return next(node for node in meta_graph.graph_def.node if node.name == name)


@pytest.mark.parametrize("field", ["restore_op_name", "save_tensor_name"])
def test_what_hangs_on_the_saver(tmp_path, field):
    def hang(meta_graph):
        add_node(meta_graph, "evil", "WriteFile", "file", "content")
        saver_node(meta_graph, field).input.append("^evil")

    edit_graph(doubling(tmp_path / "1"), hang)
    assert op_report(tmp_path / "1").file_access == ("WriteFile",)


@pytest.mark.parametrize("save, found", [
    (lambda graph: saver_node(graph, "restore_op_name").input.append("^saves"), ("SaveV2",)),
    (lambda graph: graph.collection_def["legacy_init_op"].node_list.value.append("saves"), ("SaveV2",)),
    (lambda graph: graph.signature_def["more"].outputs["y"].MergeFrom(type(
        graph.signature_def["more"].outputs["y"])(name="saves:0")), ("SaveV2",)),
    (lambda graph: saver_node(graph, "save_tensor_name").input.append("^saves"), ()),
    (lambda graph: None, ("SaveV2",)),
    (lambda graph: setattr(graph.saver_def, "restore_op_name", graph.saver_def.save_tensor_name),
     ("MergeV2Checkpoints", "RestoreV2", "SaveV2"))])
def test_checkpoints_are_written_where_loading_does_not_come(tmp_path, save, found):
    def edit(meta_graph):
        add_node(meta_graph, "saves", "SaveV2", "saver_filename")
        save(meta_graph)

    edit_graph(doubling(tmp_path / "1"), edit)
    assert op_report(tmp_path / "1").file_access == found


def test_a_checkpoint_is_read_only_to_restore(tmp_path):
    directory = save(tmp_path / "1", serving_default=(
        lambda x: {"y": tf.raw_ops.RestoreV2(prefix=x[0], tensor_names=["a"], shape_and_slices=[""],
                                             dtypes=[tf.float32])[0]}, TEXTS))
    assert op_report(directory).file_access == ("RestoreV2",)


def test_a_function_that_takes_the_name_of_an_op_hides_nothing(tmp_path):
    def shadow(meta_graph):
        meta_graph.graph_def.library.function.add().signature.name = "WriteFile"
        add_node(meta_graph, "evil", "WriteFile", "file", "content")

    edit_graph(doubling(tmp_path / "1"), shadow)
    assert op_report(tmp_path / "1").file_access == ("WriteFile",)


def test_two_of_one_name_are_not_excused(tmp_path):
    edit_graph(doubling(tmp_path / "1"), lambda graph: add_node(graph, graph.graph_def.node[0].name, "NoOp"))
    assert op_report(tmp_path / "1").file_access == ("MergeV2Checkpoints", "RestoreV2", "SaveV2")


@pytest.mark.parametrize("stream, found", [("stdout", ()), ("stderr", ()), ("log(info)", ()),
                                           ("file:///tmp/printed", ("PrintV2",))])
def test_where_a_print_goes(tmp_path, stream, found):
    def prints(x):
        tf.raw_ops.PrintV2(input="printed", output_stream=stream)
        return {"y": tf.identity(x)}

    assert op_report(save(tmp_path / "1", serving_default=(prints, TEXTS))).file_access == found


def test_a_table_that_reads_what_the_client_names(tmp_path):
    def reads(x):
        table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
        tf.raw_ops.InitializeTableFromTextFileV2(table_handle=table, filename=x[0], key_index=-2, value_index=-1)
        return {"y": tf.raw_ops.LookupTableFindV2(table_handle=table, keys=x, default_value=tf.constant(-1, tf.int64))}

    assert op_report(save(tmp_path / "1", serving_default=(reads, TEXTS))).file_access == (
        "InitializeTableFromTextFileV2",)


@pytest.mark.parametrize("way", ["name", "tensor", "vectorization"])
def test_a_plain_model_of_texts_is_not_refused(tmp_path, way):
    (tmp_path / "words.txt").write_text("a\nb\n")
    texts = keras.Input((1,), dtype="string")
    if way == "vectorization":
        numbers = keras.layers.TextVectorization(vocabulary=str(tmp_path / "words.txt"))(texts)
    else:
        words = str(tmp_path / "words.txt") if way == "name" else ["a", "b"]
        numbers = keras.layers.StringLookup(vocabulary=words)(texts)
    hidden = keras.layers.Dropout(0.5)(keras.layers.Embedding(9, 3)(numbers))
    model = keras.Model(texts, keras.layers.LSTM(2)(hidden))
    model.export(str(tmp_path / "1"), verbose=False)
    assert op_report(tmp_path / "1").file_access == ()


def test_a_plain_model_with_control_flow_is_not_refused(tmp_path):
    def call(x):
        x = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.nn.dropout(x, 0.5), lambda: tf.random.normal(tf.shape(x)))
        tf.debugging.assert_less(x, 1e9)
        x = tf.while_loop(lambda i, _: i < 3, lambda i, v: (i + 1, v * 2), (0, x))[1]
        return {"y": x + tf.data.Dataset.range(3).reduce(0.0, lambda a, b: a + tf.cast(b, tf.float32))}

    assert op_report(save(tmp_path / "1", serving_default=(call, FLOATS))).file_access == ()
