import io

from rich.cells import cell_len

from tests.tuning.results import completed, failed
from tfpt.training.screen import Screen
from tfpt.tuning.trial_table import LINE_WIDTH, TrialTable


def printed(space, *rows):
    stream = io.StringIO()
    table = TrialTable(Screen(stream), space, "accuracy")
    table.header()
    for result, is_best in rows:
        table.row(result, is_best)
    return stream.getvalue().splitlines()


def test_the_table_of_the_tour():
    space = {"optimizer.learning_rate": [1e-5, 1e-2], "freeze.unfreeze": [0, 5, 40], "model.head.dropout": [0.0, 0.5]}
    names = list(space)
    first = completed(1, 0.905, **dict(zip(names, [3.1e-4, 10, 0.2])))
    second = failed(14, **dict(zip(names, [8.8e-3, 40, 0.41])))
    assert printed(space, (first, True), (second, False)) == [
        "trial     learning rate  unfreeze  dropout    val acc       time",
        "    1           3.1e-04        10     0.20      0.905 *      6 s",
        "   14           8.8e-03        40     0.41     failed        2 s   loss not finite at epoch 2"]


def test_columns_stand_still_whatever_the_values():
    space = {"a.rate": [1e-9, 1.0], "a.units": [[128], [128, 64, 32]], "a.name": ["猫", "adamw"], "b.name": [None, 3]}
    rows = [(completed(number, 0.5, **dict(zip(space, values))), False) for number, values in enumerate(
        [(0.5, [128], "猫", None), (1e-8, [128, 64, 32], "adamw", 3), (0.123, [], "x", 3)])]
    lines = printed(space, *rows)
    assert "a.name" in lines[0] and "b.name" in lines[0]
    assert len({cell_len(line) for line in lines}) == 1


def test_a_wide_space_goes_on_in_the_next_line():
    names = [f"section.hyper_parameter_{number}" for number in range(12)]
    lines = printed({name: [0.0, 1.0] for name in names}, (completed(1, 0.9, **dict.fromkeys(names, 0.5)), True),
                    (failed(2, why="out of\nmemory", **dict.fromkeys(names, 0.25)), False))
    assert max(map(len, lines)) <= LINE_WIDTH and len(lines) % 3 == 0
    per_trial = len(lines) // 3
    assert lines[0].startswith("trial ") and lines[per_trial].startswith("    1 ")
    assert all(line.startswith(" " * 10) for number, line in enumerate(lines) if number % per_trial)
    assert lines[-1].endswith("2 s   out of memory") and "\n" not in lines[-1]


def test_a_long_reason_is_shortened_and_a_trial_without_a_value_keeps_its_columns():
    lines = printed({"a.b": [1, 2], "a.c": [1, 2]}, (failed(1, why="x" * 1000, **{"a.c": 2}), False))
    assert len(lines[1]) < 160 and "…" in lines[1]
    assert lines[1].index("2") == lines[0].index("c")
