"""Recipes and ``--set`` values: what each holds, and whether it is read or refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.faults.outcomes import Refused


@dataclass(frozen=True)
class Reads:
    """It is a config with these values, by dotted name."""

    values: Mapping[str, Any]


@dataclass(frozen=True)
class ConfigCase:
    """A recipe ``mine.yaml`` (None: no recipe), and assignments as ``--set`` takes them."""

    name: str
    recipe: str | bytes | None
    outcome: Reads | Refused
    assignments: tuple[str, ...] = ()


def assigned(name: str, assignment: str, outcome: Reads | Refused) -> ConfigCase:
    return ConfigCase(name, None, outcome, (assignment,))


HUGE = "1" + "0" * 400
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True))
CONFIGS = (
    ConfigCase("YAML with tabs", "train:\n\tepochs: 3\n", Refused("mine.yaml, line 2.*indent with spaces")),
    ConfigCase("YAML with a tab behind a value", "train:\n  epochs: 3\t\n",
               Refused("mine.yaml, line 2.*indent with spaces")),
    ConfigCase("anchor bomb", BOMB, Refused(r"aliases .* are not allowed .*line 2")),
    ConfigCase("!!python/object", "train: !!python/object:builtins.dict {epochs: 3}\n",
               Refused("could not determine a constructor.*line 1")),
    ConfigCase("!!python/object/apply", "data: !!python/object/apply:os.system ['touch CANARY']\n",
               Refused("could not determine a constructor")),
    ConfigCase("!!python/name", "model: {backbone: !!python/name:os.system ''}\n",
               Refused("could not determine a constructor")),
    ConfigCase("duplicate keys", "train: {epochs: 3}\ndata: {}\ntrain: {epochs: 4}\n",
               Refused("'train' stands twice.*line 3")),
    ConfigCase("duplicate keys within a section", "train:\n  epochs: 3\n  seed: 1\n  epochs: 4\n",
               Refused("'epochs' stands twice.*line 4")),
    ConfigCase("two documents", "train: {epochs: 3}\n---\ntrain: {epochs: 4}\n", Refused("another document")),
    ConfigCase("a merge key", "train: {<<: {epochs: 3}}\n", Refused("There is no train.<<.epochs")),
    ConfigCase("a list of sections", "- train\n- data\n", Refused("mapping of sections.*found the list")),
    ConfigCase("nested too deeply", "data: " + "[" * 5000, Refused("nested too deeply|Expected YAML")),
    ConfigCase("an empty recipe", "", Reads({"train.epochs": 10})),
    ConfigCase("a recipe with a byte order mark and CRLF", b"\xef\xbb\xbftrain:\r\n  epochs: 3\r\n",
               Reads({"train.epochs": 3})),
    ConfigCase("a recipe in UTF-16", "train: {epochs: 3}\n".encode("utf-16"), Refused("a YAML file in UTF-8")),
    ConfigCase("a recipe that is a picture", b"\x89PNG\r\n\x1a\n" + bytes(100), Refused("a YAML file in UTF-8")),
    ConfigCase("a recipe of zero bytes, NUL", bytes(100), Refused("Expected YAML.*mine.yaml")),
    ConfigCase("a recipe of two megabytes", "#" * 2_000_000, Refused("which is no recipe")),
    ConfigCase("a misspelt key", "train: {epoch: 3}\n", Refused("Did you mean train.epochs")),
    ConfigCase("NaN", "optimizer: {learning_rate: .nan}\n", Refused("learning_rate takes a number, finite.*nan")),
    ConfigCase("infinity", "optimizer: {learning_rate: .inf}\n", Refused("learning_rate takes a number, finite")),
    ConfigCase("a number beyond a float", "optimizer: {learning_rate: 1e999}\n", Refused("a number, finite")),
    ConfigCase("a negative number", "train: {epochs: -3}\n", Refused("a whole number, at least 1, but found -3")),
    ConfigCase("zero epochs", "train: {epochs: 0}\n", Refused("a whole number, at least 1, but found 0")),
    ConfigCase("a fraction of an epoch", "train: {epochs: 2.5}\n", Refused("takes a whole number, but found 2.5")),
    ConfigCase("a whole number of 401 digits", f"train: {{seed: {HUGE}}}\n", Refused("that a 64-bit float can hold")),
    ConfigCase("a number of 5,000 digits", f"train: {{seed: 1{'0' * 5000}}}\n", Refused("can't read")),
    ConfigCase("a number of 401 digits for a float", f"cache: {{max_gb: {HUGE}}}\n",
               Refused("that a 64-bit float can hold")),
    ConfigCase("a very small number", "optimizer: {learning_rate: 1e-300}\n",
               Reads({"optimizer.learning_rate": 1e-300})),
    ConfigCase("numbers as YAML 1.2 writes them", "optimizer: {learning_rate: 1e-3}\n",
               Reads({"optimizer.learning_rate": 0.001})),
    ConfigCase("yes for true", "augment: {flip: yes}\n", Refused("true or false, but found the text 'yes'")),
    ConfigCase("shares that leave nothing to train on", "data: {validation: 0.6, test: 0.5}\n",
               Refused("leave no images to train on")),
    assigned("--set NaN", "model.head.dropout=.nan", Refused("model.head.dropout takes a number, finite")),
    assigned("--set without a name", "=3", Refused("--set takes name=value")),
    assigned("--set of an unknown name that steers the terminal", "\x1b[31mtrain=1", Refused(r"no \\x1b\[31mtrain ")),
    assigned("--set a path with NUL", 'data.path="a\\0b"', Refused("data.path takes text without NUL")),
    assigned("--set a path with half a character", 'data.path="\\ud800"', Refused("data.path takes text without NUL")),
    assigned("--set a list for a number", "train.epochs=[1, 2]", Refused("takes a whole number, but found the list")),
    assigned("--set a mapping for a list", "model.head.units={a: 1}", Refused("takes a list.*but found a mapping")),
    assigned("--set a recursive list", "model.head.units=&a [*a]", Refused("aliases")),
)
