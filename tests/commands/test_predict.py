import json

import pytest
from click.testing import CliRunner

from tfpt.commands import predict
from tfpt.errors import UsageError
from tfpt.run_directory import Run
from tfpt.workflows import predict as workflow


@pytest.mark.parametrize(("found", "code"), [({"top": [{"label": "a", "score": 1.0}], "label": "a", "score": 1.0}, 0),
                                             ({"error": "is empty"}, 2)])
def test_predict_is_code_2_if_an_input_is_broken(monkeypatch, tmp_path, found, code):
    Run(tmp_path).update_manifest(status="finished")
    monkeypatch.setattr(workflow, "predict", lambda run, inputs, *, top, data_dir, flip: iter(
        [{"input": f"{run.name} {inputs} {top} {data_dir} {flip}", **found}]))
    result = CliRunner().invoke(predict.command, [str(tmp_path), "a", "b", "--top", "2", "--json", "--flip",
                                                  "--data-dir", "sets"])
    assert result.exit_code == code and "mirror image" in result.stderr
    assert json.loads(result.stdout)["input"] == f"{tmp_path.name} ['a', 'b'] 2 sets True"


def test_two_formats_at_once_are_refused():
    with pytest.raises(UsageError, match="Choose one"):
        CliRunner().invoke(predict.command, ["r", "a", "--json", "--csv"], catch_exceptions=False)
