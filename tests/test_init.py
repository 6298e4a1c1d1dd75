import subprocess
import sys
from pathlib import Path

import pytest

import tfpt

CHECKOUT = Path(tfpt.__file__).parents[1]


def test_import_is_light_and_dir_names_the_functions():
    code = ("import sys, tfpt; names = dir(tfpt); assert all(name in names for name in tfpt.__all__), names;"
            "sys.exit('tensorflow' in sys.modules or 'numpy' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT).returncode == 0


@pytest.mark.parametrize("name", [name for name in tfpt.__all__ if name != "__version__"])
def test_each_public_function_is_there_and_documented(name):
    function = getattr(tfpt, name)
    assert callable(function) and function.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_such"):
        tfpt.nothing_such
