import pytest

from tfpt.errors import RunError
from tfpt.registry import TASKS, get_task
from tfpt.task import Task


@pytest.mark.parametrize("name", TASKS)
def test_every_line_resolves_to_a_task_of_its_name(name):
    task = get_task(name)
    assert isinstance(task, Task) and task.name == name


@pytest.mark.parametrize(("name", "part"), [("image_clasification", "Did you mean image_classification?"),
                                            ("telepathy", "newer tfpt")])
def test_an_unknown_task_is_an_error_that_lists_the_known(name, part):
    with pytest.raises(RunError) as caught:
        get_task(name)
    assert part in str(caught.value) and "image_classification" in str(caught.value)
