"""What runs when a SavedModel stores or restores its variables alone, and where its tables' file names come from."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

GRAPH = ""
"""Stands for the graph itself among the names of its functions."""
CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
VARIABLE_USES = frozenset({"ReadVariableOp", "VarIsInitializedOp", "AssignVariableOp"})


class Graph:
    """A MetaGraphDef's nodes: ``bodies[function][node]``, the graph itself under ``GRAPH``; ``ambiguous`` if two have
    one name, so that it can't be told which of them is meant.
    """

    def __init__(self, meta_graph: Any) -> None:
        definition = meta_graph.graph_def
        self.meta_graph = meta_graph
        self.functions = {function.signature.name: function for function in definition.library.function}
        self.bodies = {name: {node.name: node for node in function.node_def}
                       for name, function in self.functions.items()}
        self.bodies[GRAPH] = {node.name: node for node in definition.node}
        nodes = len(definition.node) + sum(len(function.node_def) for function in definition.library.function)
        self.ambiguous = GRAPH in self.functions or sum(map(len, self.bodies.values())) != nodes
        saver = meta_graph.saver_def
        self._save = self._closure([(GRAPH, node_name(saver.save_tensor_name))])
        self._restore = self._closure([(GRAPH, node_name(saver.restore_op_name))])
        self._other = self._closure(self._other_roots())

    def only_saves(self, body: str, node: str) -> bool:
        """Whether a node runs when variables are stored, and never else. Loading a model doesn't store them."""
        place = (body, node)
        return place in self._save and place not in self._restore and place not in self._other

    def only_saves_or_restores(self, body: str, node: str) -> bool:
        """Whether a node runs when variables are stored or restored, and never else."""
        place = (body, node)
        return (place in self._save or place in self._restore) and place not in self._other

    def _other_roots(self) -> Iterator[tuple[str, str]]:
        """What may be run beside the saver: signatures, what loaders look for by name, and whatever the saver doesn't
        need: a loader may run it through the object graph.
        """
        for signature in self.meta_graph.signature_def.values():
            yield from ((GRAPH, node_name(info.name)) for info in signature.outputs.values())
        for collection in self.meta_graph.collection_def.values():
            yield from ((GRAPH, node_name(name)) for name in collection.node_list.value)
        for name in self.meta_graph.object_graph_def.concrete_functions:
            yield from ((name, node) for node in self.bodies.get(name, ()))
        for name, function in self.functions.items():
            if "api_implements" in function.attr:  # TensorFlow may put it in another's place
                yield from ((name, node) for node in self.bodies[name])
        for body, nodes in self.bodies.items():
            yield from ((body, node) for node in nodes if (body, node) not in self._save | self._restore)

    def _closure(self, roots: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """The nodes that these need, and those of all functions that they call."""
        waiting, reached = list(roots), set()
        while waiting:
            body, name = place = waiting.pop()
            if place in reached or name not in self.bodies[body]:
                continue
            reached.add(place)
            node = self.bodies[body][name]
            waiting += [(body, node_name(source)) for source in node.input]
            for function in functions_of(node):
                waiting += [(function, inner) for inner in self.bodies.get(function, ())]
        return reached


class AssetNames:
    """Tells which tensors can hold nothing but the path of one of the export's assets."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        files = graph.meta_graph.asset_file_def
        self._assets = {node_name(file.tensor_info.name) for file in files if _inside(file.filename)}
        self._inside = [_inside(file.filename) for file in files]
        self._callers: Mapping[str, list[tuple[str, Any]]] = defaultdict(list)
        for body, nodes in graph.bodies.items():
            for node in nodes.values():
                for function in functions_of(node):
                    self._callers[function].append((body, node))

    def names_one(self, body: str, tensor: str, within: tuple[str, ...] = ()) -> bool:
        """Whether an input of a node of ``body`` is an asset's path, whoever calls the function."""
        name = node_name(tensor)
        node = self._graph.bodies[body].get(name)
        if node is None:
            return body not in within and self._argument_names_one(body, name, (*within, body))
        if body == GRAPH and name in self._assets:  # the loader feeds it
            return node.op in ("Placeholder", "Const")
        if node.op == "Identity":
            place = f"{body}/{name}"
            return place not in within and self.names_one(body, node.input[0], (*within, place))
        return node.op == "ReadVariableOp" and body == GRAPH and self._variable_names_one(node_name(node.input[0]))

    def _argument_names_one(self, function: str, argument: str, within: tuple[str, ...]) -> bool:
        if function == GRAPH:
            return False
        arguments = [entry.name for entry in self._graph.functions[function].signature.input_arg]
        if argument not in arguments:
            return False
        index, callers = arguments.index(argument), self._callers.get(function, [])
        saved = self._graph.meta_graph.object_graph_def.concrete_functions
        bound = [self._bound_names_one(saved[function], index - len(arguments))] if function in saved else []
        given = [(node.op == function or node.op in CALLS) and index < len(node.input)
                 and self.names_one(body, node.input[index], within) for body, node in callers]
        return bool(bound + given) and all(bound + given)

    def _bound_names_one(self, concrete: Any, index_from_end: int) -> bool:
        """What a function holds itself follows what it is called with."""
        nodes = self._graph.meta_graph.object_graph_def.nodes
        if -index_from_end > len(concrete.bound_inputs):
            return False
        number = concrete.bound_inputs[index_from_end]
        if not 0 <= number < len(nodes) or nodes[number].WhichOneof("kind") != "asset":
            return False
        asset = nodes[number].asset.asset_file_def_index
        return 0 <= asset < len(self._inside) and self._inside[asset]

    def _variable_names_one(self, handle: str) -> bool:
        """A variable of the graph that is assigned an asset's path, and that nothing else can write to."""
        node = self._graph.bodies[GRAPH].get(handle)
        if node is None or node.op != "VarHandleOp":
            return False
        everything = [entry for nodes in self._graph.bodies.values() for entry in nodes.values()]
        same = [entry for entry in everything if entry.op == "VarHandleOp" and _shared(entry) == _shared(node)]
        users = [entry for entry in self._graph.bodies[GRAPH].values() if handle in map(node_name, entry.input)]
        written = [entry for entry in users if entry.op == "AssignVariableOp"]
        return (len(same) == 1 and bool(written) and all(entry.op in VARIABLE_USES for entry in users)
                and all(node_name(entry.input[1]) in self._assets for entry in written))


def functions_of(node: Any) -> Iterator[str]:
    """The names of what a node calls; its op itself may be a function."""
    yield node.op
    waiting = list(node.attr.values())
    while waiting:
        value = waiting.pop()
        for function in (value.func, *value.list.func):
            if function.name:
                yield function.name
            waiting += function.attr.values()


def node_name(tensor: str) -> str:
    """The node of a tensor or of a control input."""
    return tensor.lstrip("^").partition(":")[0]


def _shared(handle: Any) -> tuple[bytes, bytes]:
    return handle.attr["container"].s, handle.attr["shared_name"].s or handle.name.encode()


def _inside(filename: str) -> bool:
    """Whether the name of an asset keeps to the export's assets."""
    path = PurePosixPath(filename)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in filename
