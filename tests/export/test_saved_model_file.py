import shutil

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.export.signatures import edit_graph, save_functions
from tfpt.errors import ExportError
from tfpt.export.saved_model_file import SignatureTensor, read_meta_graph, signature_names, signature_tensors


def test_what_signatures_take_and_give(small_export):
    assert signature_names(small_export) == ["features", "pixels", "pixels_uint8", "serving_default"]
    tensors = signature_tensors(small_export, "serving_default")
    assert tensors.inputs == {
        "image_bytes": SignatureTensor("serving_default_image_bytes:0", tf.string.as_datatype_enum, "bytes", (None,))}
    assert set(tensors.outputs) == {"probabilities", "labels", "scores", "valid"}
    assert tensors.outputs["probabilities"].dtype == "float32" and tensors.outputs["probabilities"].shape == (None, 2)
    assert tensors.outputs["valid"].dtype == "bool"


@pytest.mark.parametrize("name", ["other", "__saved_model_init_op"])
def test_a_signature_that_is_not_there(small_export, name):
    with pytest.raises(ExportError, match="but it has features, pixels, pixels_uint8, serving_default"):
        signature_tensors(small_export, name)


def test_ragged_tensors_are_refused(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def words(text):
        return {"words": tf.strings.split(text)}

    save_functions(tmp_path, {"serving_default": words})
    with pytest.raises(ExportError, match="words is sparse or ragged"):
        signature_tensors(tmp_path, "serving_default")


def test_no_saved_model(tmp_path):
    with pytest.raises(ExportError, match="saved_model.pb can't be read: No such file"):
        read_meta_graph(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ExportError, match="a graph with the tag serve, .*found none"):
        read_meta_graph(tmp_path)


def test_a_damaged_saved_model(small_export, tmp_path):
    whole = (small_export / "saved_model.pb").read_bytes()
    for content in (whole[:len(whole) // 2], b"PK\3\4 something else"):
        (tmp_path / "saved_model.pb").write_bytes(content)
        with pytest.raises(ExportError, match=f"holds {len(content):,} bytes that can't be parsed"):
            read_meta_graph(tmp_path)


def test_a_tag_that_stands_twice_hides_no_graph(small_export, tmp_path):
    """Loaders compare sets of tags: they would load the first graph."""
    shutil.copytree(small_export, tmp_path / "1")
    path = tmp_path / "1" / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    saved.meta_graphs.add().CopyFrom(saved.meta_graphs[0])
    saved.meta_graphs[0].meta_info_def.tags[:] = ["serve", "serve"]
    path.write_bytes(saved.SerializeToString())
    with pytest.raises(ExportError, match="one graph .* but found 2"):
        read_meta_graph(tmp_path / "1")


def test_only_the_graph_that_servers_load_counts(small_export, tmp_path):
    shutil.copytree(small_export, tmp_path / "1")

    def retag(meta_graph):
        meta_graph.meta_info_def.tags[:] = ["serve", "gpu"]

    edit_graph(tmp_path / "1", retag)
    with pytest.raises(ExportError, match="found gpu and serve"):
        read_meta_graph(tmp_path / "1")
