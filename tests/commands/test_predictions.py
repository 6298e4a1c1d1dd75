import csv
import io
import json

from tfpt.commands.predictions import write_csv, write_json, write_text

GOOD = {"input": "a.jpg", "label": "birds", "score": 0.75,
        "top": [{"label": "birds", "score": 0.75}, {"label": "cats, big", "score": 0.25}]}
BROKEN = {"input": "b.jpg", "error": "is empty"}


def test_text_puts_answers_on_stdout_and_broken_inputs_on_stderr(capsys):
    assert write_text(iter([GOOD, BROKEN]), 2) == 1
    assert capsys.readouterr() == ("a.jpg  birds 0.750  cats, big 0.250\n", "tfpt: b.jpg: is empty\n")


def test_json_is_an_object_per_line(capsys):
    assert write_json(iter([GOOD, BROKEN]), 2) == 1
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [GOOD, BROKEN]


def test_csv_has_a_row_per_input_whatever_the_classes(capsys):
    assert write_csv(iter([GOOD, BROKEN]), 3) == 1
    header, good, broken = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["input", "label", "score", "label_2", "score_2", "label_3", "score_3", "error"]
    assert good == ["a.jpg", "birds", "0.75", "cats, big", "0.25", "", "", ""]
    assert broken == ["b.jpg", "", "", "", "", "", "", "is empty"]


def test_lines_come_as_they_are_known(capsys):
    def slow():
        yield GOOD
        assert "a.jpg" in capsys.readouterr().out
        yield GOOD

    assert write_json(slow(), 1) == 0
