import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests.export.signatures import picture
from tfpt.errors import ExportError
from tfpt.export.ask import ask_cpp
from tfpt.export.warmup import MOST_RECORDS, read_warmup, write_warmup

FILE = "assets.extra/tf_serving_warmup_requests"


def test_what_was_written_is_read(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (2, 4, 4, 3)).astype(np.uint8)
    labels = np.array([[b"a\0", b""], [b"\xff\0", b"c"]], object)
    write_warmup(tmp_path, "photos", iter([
        ("serving_default", {"image_bytes": [b"\0\1", b"", b"b\0"]}), ("serving_default", {"image_bytes": []}),
        ("pixels", {"pixels": pixels.astype(np.float32), "valid": np.array([True, False])}),
        ("other", {"pixels": pixels, "labels": labels, "step": np.int64(3)})]))
    read = read_warmup(tmp_path)
    assert [signature for signature, _ in read] == ["serving_default", "serving_default", "pixels", "other"]
    assert read[0][1]["image_bytes"].tolist() == [b"\0\1", b"", b"b\0"]
    assert read[1][1]["image_bytes"].tolist() == [] and read[1][1]["image_bytes"].dtype == object
    assert read[2][1]["pixels"].dtype == np.float32 and (read[2][1]["pixels"] == pixels).all()
    assert read[2][1]["valid"].tolist() == [True, False] and read[2][1]["valid"].dtype == bool
    assert read[3][1]["pixels"].dtype == np.uint8 and (read[3][1]["pixels"] == pixels).all()
    assert read[3][1]["labels"].tolist() == labels.tolist() and read[3][1]["step"] == 3


def test_the_file_is_what_tensorflow_serving_reads(tmp_path):
    write_warmup(tmp_path, "photos", [("serving_default", {"image_bytes": [b"x", b"y"]})])
    [record] = tf.data.TFRecordDataset(str(tmp_path / FILE)).as_numpy_iterator()
    request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
    assert request.model_spec.name == "photos" and request.model_spec.signature_name == "serving_default"
    tensor = request.inputs["image_bytes"]
    assert tensor.dtype == tf.string.as_datatype_enum and list(tensor.string_val) == [b"x", b"y"]
    assert [side.size for side in tensor.tensor_shape.dim] == [2]


def test_it_can_be_sent_again(small_export, tmp_path):
    write_warmup(tmp_path, "photos", [("serving_default", {"image_bytes": [picture(250)] * size}) for size in (1, 3)])
    answers = ask_cpp(small_export, "serving_default", [batch for _, batch in read_warmup(tmp_path)])
    assert answers["labels"][:, 0].tolist() == [b"light"] * 4


def test_no_file_is_no_requests(tmp_path):
    assert read_warmup(tmp_path) == []


def test_a_request_without_a_signature_is_for_the_default_one(tmp_path):
    write_warmup(tmp_path, "photos", [("", {"x": np.zeros(1)})])
    assert read_warmup(tmp_path)[0][0] == "serving_default"


def write_records(tmp_path, *records):
    (tmp_path / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(tmp_path / FILE)) as writer:
        for record in records:
            writer.write(record)


def test_a_damaged_file(tmp_path):
    write_warmup(tmp_path, "photos", [("serving_default", {"image_bytes": [b"x" * 100]})])
    whole = (tmp_path / FILE).read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (whole[:-3], whole[:5], whole + whole[:7], bytes(flipped), b"no TFRecord at all"):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(ExportError, match=f"PredictionLog in .*{FILE}, but: .*delete the file") as caught:
            read_warmup(tmp_path)
        assert "\n" not in str(caught.value) and "{{" not in str(caught.value)


def test_records_that_are_something_else(tmp_path):
    other = prediction_log_pb2.PredictionLog()
    other.classify_log.request.model_spec.name = "photos"
    write_records(tmp_path, other.SerializeToString())
    with pytest.raises(ExportError, match="a record holds a classify_log, which can't be sent again"):
        read_warmup(tmp_path)
    write_records(tmp_path / "assets.extra", b"")
    with pytest.raises(ExportError, match="a record holds nothing"):
        read_warmup(tmp_path / "assets.extra")


def test_a_tensor_that_is_not_whole(tmp_path):
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.inputs["x"].dtype = tf.float32.as_datatype_enum
    log.predict_log.request.inputs["x"].tensor_shape.dim.add().size = 3
    log.predict_log.request.inputs["x"].tensor_content = b"1234"
    write_records(tmp_path, log.SerializeToString())
    with pytest.raises(ExportError, match="Expected predict requests"):
        read_warmup(tmp_path)


def tensor_record(dtype, sides, rank_known=True, **values):
    log = prediction_log_pb2.PredictionLog()
    tensor = log.predict_log.request.inputs["x"]
    tensor.dtype = dtype
    tensor.tensor_shape.unknown_rank = not rank_known
    for side in sides:
        tensor.tensor_shape.dim.add().size = side
    for field, value in values.items():
        if field == "tensor_content":
            tensor.tensor_content = value
        else:
            getattr(tensor, field).extend(value)
    return log.SerializeToString()


FLOAT, TEXT, INT8, VARIANT = (tf.as_dtype(name).as_datatype_enum for name in ("float32", "string", "int8", "variant"))


@pytest.mark.parametrize("record, reason", [
    (tensor_record(FLOAT, [10 ** 13], float_val=[1]), "it would take 40,000,000,000,000 bytes, more than 268,435,456"),
    (tensor_record(FLOAT, [2 ** 32, 2 ** 32, 2 ** 32], float_val=[1]), "it would take"),
    (tensor_record(FLOAT, [10 ** 13]), "it would take"),
    (tensor_record(TEXT, [10 ** 13], string_val=[b"x"]), "it would take"),
    (tensor_record(TEXT, [10 ** 5], string_val=[b"x" * 10 ** 4]), "it would take 1,006,400,000 bytes"),
    (tensor_record(TEXT, [2]), "x has 0 texts for 2 elements"),
    (tensor_record(TEXT, [1], string_val=[b"a", b"b"]), "x has 2 texts for 1 elements"),
    (tensor_record(TEXT, [1], string_val=[b"a"], tensor_content=b"12345678"), "OBJECT array"),
    (tensor_record(FLOAT, [-1], float_val=[1]), "x has no definite shape"),
    (tensor_record(FLOAT, [], rank_known=False, float_val=[1]), "x has no definite shape"),
    (tensor_record(FLOAT, [1] * 100, float_val=[1]), "dimension"),
    (tensor_record(INT8, [1], int_val=[1000]), "1000"),
    (tensor_record(VARIANT, [1]), "x has the data type variant, which can't be sent again"),
    (tensor_record(0, [1]), "x has the unknown data type 0"),
    (tensor_record(99, [1]), "x has the unknown data type 99")])
def test_tensors_that_no_array_can_be(tmp_path, record, reason):
    write_records(tmp_path, record)
    with pytest.raises(ExportError, match=f"Expected predict requests.* but: .*{reason}"):
        read_warmup(tmp_path)


def test_the_limit_is_of_all_requests_together(tmp_path, monkeypatch):
    monkeypatch.setattr("tfpt.export.warmup.MOST_BYTES", 2_000)
    record = tensor_record(FLOAT, [250], float_val=[1])
    write_records(tmp_path, record, record)
    assert [batch["x"].tolist() for _, batch in read_warmup(tmp_path)] == [[1.0] * 250] * 2
    write_records(tmp_path / "assets.extra", record, record, record)
    with pytest.raises(ExportError, match="it would take 3,000 bytes, more than 2,000"):
        read_warmup(tmp_path / "assets.extra")
    (tmp_path / FILE).write_bytes(bytes(2_001))
    with pytest.raises(ExportError, match="it would take 2,001 bytes"):
        read_warmup(tmp_path)


def test_more_records_than_tensorflow_serving_takes_are_not_read(tmp_path):
    write_records(tmp_path, *[tensor_record(FLOAT, [1])] * (MOST_RECORDS + 1))
    with pytest.raises(ExportError, match="it holds 1,001, and TensorFlow Serving takes 1,000"):
        read_warmup(tmp_path)


def test_more_than_tensorflow_serving_takes(tmp_path):
    records = [("serving_default", {"x": np.zeros(1)})] * MOST_RECORDS
    write_warmup(tmp_path, "photos", records)
    assert len(read_warmup(tmp_path)) == MOST_RECORDS
    with pytest.raises(ExportError, match="at most 1,000"):
        write_warmup(tmp_path, "photos", [*records, records[0]])


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "assets.extra").write_text("a file")
    with pytest.raises(ExportError, match="can't be written"):
        write_warmup(tmp_path, "photos", [("serving_default", {"x": np.zeros(1)})])
