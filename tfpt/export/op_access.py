"""Which of TensorFlow's operations may reach beyond the model: files, addresses, other processes, hidden graphs."""

from typing import Any

from tensorflow.python.framework import op_def_registry

CHECKPOINT_WRITERS = frozenset({"Save", "SaveSlices", "SaveV2", "MergeV2Checkpoints"})
CHECKPOINT_READERS = frozenset({"Restore", "RestoreSlice", "RestoreV2"})
TABLE_FILE_INPUT = {"InitializeTableFromTextFile": 1, "InitializeTableFromTextFileV2": 1}
"""Which input of an initialiser names the file that it reads."""
PRINT_STREAMS = frozenset({b"stdout", b"stderr", b"log(info)", b"log(warning)", b"log(error)"})

HARMLESS_STATEFUL = frozenset("""
    VarHandleOp ReadVariableOp AssignVariableOp AssignAddVariableOp AssignSubVariableOp VarIsInitializedOp
    DestroyResourceOp VariableShape Variable VariableV2 TemporaryVariable DisableCopyOnRead ResourceGather
    ResourceGatherNd ResourceScatterAdd ResourceScatterDiv ResourceScatterMax ResourceScatterMin ResourceScatterMul
    ResourceScatterSub ResourceScatterUpdate ResourceScatterNdAdd ResourceScatterNdMax ResourceScatterNdMin
    ResourceScatterNdSub ResourceScatterNdUpdate ResourceStridedSliceAssign ResourceCountUpTo MutexV2 MutexLock
    ConsumeMutexLock
    ResourceApplyAdaMax ResourceApplyAdadelta ResourceApplyAdagrad ResourceApplyAdagradDA ResourceApplyAdagradV2
    ResourceApplyAdam ResourceApplyAdamWithAmsgrad ResourceApplyAddSign ResourceApplyCenteredRMSProp ResourceApplyFtrl
    ResourceApplyFtrlV2 ResourceApplyGradientDescent ResourceApplyKerasMomentum ResourceApplyMomentum
    ResourceApplyPowerSign ResourceApplyProximalAdagrad ResourceApplyProximalGradientDescent ResourceApplyRMSProp
    ResourceSparseApplyAdadelta ResourceSparseApplyAdagrad ResourceSparseApplyAdagradDA ResourceSparseApplyAdagradV2
    ResourceSparseApplyCenteredRMSProp ResourceSparseApplyFtrl ResourceSparseApplyFtrlV2
    ResourceSparseApplyKerasMomentum ResourceSparseApplyMomentum ResourceSparseApplyProximalAdagrad
    ResourceSparseApplyProximalGradientDescent ResourceSparseApplyRMSProp

    HashTable HashTableV2 AnonymousHashTable MutableHashTable MutableHashTableV2 AnonymousMutableHashTable
    MutableHashTableOfTensors MutableHashTableOfTensorsV2 AnonymousMutableHashTableOfTensors MutableDenseHashTable
    MutableDenseHashTableV2 AnonymousMutableDenseHashTable LookupTableExportV2 LookupTableFindV2 LookupTableImportV2
    LookupTableInsertV2 LookupTableRemoveV2 LookupTableSizeV2 InitializeTableV2 InitializeTableFromDataset

    StatefulPartitionedCall If While Case Assert Print CheckNumerics CheckNumericsV2 GuaranteeConst DeepCopy Empty
    DeviceIndex IsTensorFloat32Enabled Timestamp CudnnRNN CudnnRNNV2 CudnnRNNV3 CudnnRNNBackprop CudnnRNNBackpropV2
    CudnnRNNBackpropV3

    RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal ParameterizedTruncatedNormal RandomGamma
    RandomPoisson RandomPoissonV2 RandomShuffle RandomCrop Multinomial NonDeterministicInts StatefulRandomBinomial
    StatefulStandardNormal StatefulStandardNormalV2 StatefulTruncatedNormal StatefulUniform StatefulUniformFullInt
    StatefulUniformInt RngReadAndSkip RngSkip StatelessRandomGetAlg SampleDistortedBoundingBox
    SampleDistortedBoundingBoxV2 AllCandidateSampler LearnedUnigramCandidateSampler LogUniformCandidateSampler
    ThreadUnsafeUnigramCandidateSampler UniformCandidateSampler AnonymousSeedGenerator AnonymousRandomSeedGenerator
    DeleteSeedGenerator DeleteRandomSeedGenerator DummySeedGenerator

    TensorDataset TensorSliceDataset SparseTensorSliceDataset RangeDataset ListDataset RandomDataset RandomDatasetV2
    GeneratorDataset ShuffleDatasetV2 ShuffleDatasetV3 ShuffleAndRepeatDatasetV2 GlobalShuffleDataset ReduceDataset
    GroupByReducerDataset DatasetToSingleElement Iterator IteratorV2 OneShotIterator AnonymousIterator
    AnonymousIteratorV2 AnonymousIteratorV3 MakeIterator IteratorGetNext IteratorGetNextAsOptional IteratorGetNextSync
    IteratorToStringHandle IteratorFromStringHandle IteratorFromStringHandleV2 IteratorGetDevice DeleteIterator
    DummyIterationCounter DummyMemoryCache AnonymousMemoryCache DeleteMemoryCache

    FIFOQueue FIFOQueueV2 PaddingFIFOQueue PaddingFIFOQueueV2 PriorityQueue PriorityQueueV2 RandomShuffleQueue
    RandomShuffleQueueV2 QueueCloseV2 QueueDequeueManyV2 QueueDequeueUpToV2 QueueDequeueV2 QueueEnqueueManyV2
    QueueEnqueueV2 QueueIsClosedV2 QueueSizeV2 Stack StackV2 StackPushV2 StackPopV2 StackCloseV2 TensorArray
    TensorArrayV2 TensorArrayV3 TensorArrayCloseV3 TensorArrayConcatV3 TensorArrayGatherV3 TensorArrayGrad
    TensorArrayGradV2 TensorArrayGradV3 TensorArrayGradWithShape TensorArrayReadV3 TensorArrayScatterV3
    TensorArraySizeV3 TensorArraySplitV3 TensorArrayWriteV3 AddManySparseToTensorsMap AddSparseToTensorsMap
    TakeManySparseFromTensorsMap
    """.split())
"""Those that keep to the model's own state. TensorFlow marks what reaches beyond it as stateful too, so that the others
are refused, also those of a later TensorFlow.
"""

REACHING_STATELESS = frozenset("""
    ReadFile MatchingFiles CacheDataset SnapshotDataset SnapshotDatasetV2 SnapshotChunkDataset SnapshotDatasetReader
    SnapshotNestedDatasetReader GenerateVocabRemapping ImmutableConst DecodeProtoV2 EncodeProto
    InitializeTableFromTextFile RegisterDataset RegisterDatasetV2 DatasetFromGraph MlirPassthroughOp Abort Copy CopyHost
    CopyToMesh CopyToMeshGrad Relayout RelayoutLike Prelinearize PrelinearizeTuple InfeedEnqueuePrelinearizedBuffer
    GetTpuTaskId TpuHandleToProtoKey XlaCustomCall XlaCustomCallV2 XlaLaunchV2 XlaAllReduce XlaReduceScatter
    CustomAggregator
    """.split())
"""Those that TensorFlow doesn't mark, though they read files, register at an address, run a graph or a program that is
hidden in a string, or end the process.
"""
REACHING_PREFIXES = ("_", "Debug", "DTensor", "TPU", "XlaSparse", "Collective", "Nccl", "Rpc", "DataService")


def may_reach_out(op: str) -> bool:
    """Whether a registered operation may reach beyond the model, wherever it stands. What its arguments or its place
    in the graph excuse is among them.
    """
    if op in REACHING_STATELESS or op.startswith(REACHING_PREFIXES):
        return True
    definition = op_def_registry.get(op)
    return definition is not None and definition.is_stateful and op not in HARMLESS_STATEFUL


def prints_to_a_stream(node: Any) -> bool:
    """Whether PrintV2 prints to the process's own output; it takes files too."""
    return "output_stream" not in node.attr or node.attr["output_stream"].s in PRINT_STREAMS
