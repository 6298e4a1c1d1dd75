import re

import pytest
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

from tfpt.export.graph_ops import classify_ops
from tfpt.export.op_access import HARMLESS_STATEFUL, REACHING_STATELESS, may_reach_out


def registry():
    return op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())).op


SUSPICIOUS = re.compile(
    "file|path|ur[il]|addr|descriptor|host|port|stream|librar|dir|server|target|protocol|command|prefix|graph|module|"
    "region|device|socket|debug|service|plugin|script|program|exec|remote", re.IGNORECASE)
REVIEWED = {
    "direction": "of a recurrent layer, or of sorting", "executor_type": "of a function call: a name in the process",
    "top_paths": "how many decoded texts", "targets": "class numbers", "recall_target": "a number",
    "is_files": "a hint for sharding", "debug_name": "for messages", "description": "of a summary",
    "device_names": "compared with the node's own", "allowed_devices": "where a variable may lie",
    "host_reserved": "a tensor", "use_default_device": "a flag", "strip_device_assignment": "a flag"}
"""Arguments of operations judged harmless that sound otherwise, and why they are."""


def test_no_op_judged_harmless_takes_what_sounds_like_a_place():
    """Fails with a TensorFlow that has new operations: review them, and put them in a table of op_access."""
    names = {argument.name for op in registry() if not may_reach_out(op.name)
             for argument in (*op.input_arg, *op.attr) if SUSPICIOUS.search(argument.name)}
    assert names == set(REVIEWED)


def test_the_tables_are_of_this_tensorflow():
    stateful = {op.name: op.is_stateful for op in registry()}
    assert all(stateful.get(name) is True for name in HARMLESS_STATEFUL)
    assert all(stateful.get(name) is False for name in REACHING_STATELESS)


@pytest.mark.parametrize("op", [
    "ReadFile", "WriteFile", "MatchingFiles", "PrintV2", "DebugIdentity", "DebugIdentityV2", "DebugIdentityV3",
    "DebugNanCount", "DebugNumericSummary", "EncodeProto", "DecodeProtoV2", "FixedUnigramCandidateSampler", "Skipgram",
    "InitializeTableFromTextFile", "InitializeTableFromTextFileV2", "RpcServer", "RpcClient", "RpcCall",
    "DataServiceDataset", "DataServiceDatasetV4", "RegisterDataset", "RegisterDatasetV2", "CollectiveReduceV2", "Send",
    "Recv", "_Send", "_Recv", "TPUCompile", "TPUExecute", "XlaCustomCall", "XlaCustomCallV2", "XlaCallModule",
    "RemoteCall", "TFRecordDatasetV2", "LMDBDataset", "SqlDataset", "CreateSummaryFileWriter", "DatasetFromGraph",
    "DeserializeIterator", "ImmutableConst", "MlirPassthroughOp", "FileSystemSetConfiguration", "DumpTensor",
    "RecordInput", "SaveDatasetV2", "LoadDataset", "SnapshotDatasetV2", "CacheDatasetV2", "ImportEvent", "Abort"])
def test_ops_that_reach_beyond_the_model(op):
    assert op in {entry.name for entry in registry()}
    assert classify_ops([op]).file_access == (op,)
