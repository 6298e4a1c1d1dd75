import pytest

from tfpt import errors


@pytest.mark.parametrize(("kind", "code"), [
    (errors.TfptError, 1), (errors.UsageError, 2), (errors.ConfigError, 2), (errors.DataError, 2), (errors.RunError, 2),
    (errors.WeightsError, 2), (errors.TrainingFailed, 3), (errors.CheckFailed, 4),
])
def test_each_error_has_its_exit_code(kind, code):
    assert kind("message").exit_code == code and issubclass(kind, errors.TfptError)


def test_an_interruption_carries_the_code_of_its_signal():
    assert errors.Interrupted("saved", 143).exit_code == 143
