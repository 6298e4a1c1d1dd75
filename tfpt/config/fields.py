"""How a config dataclass states what a value may be: ``setting(default, help, minimum=…, maximum=…)``."""

import dataclasses
from typing import Any


def setting(default: Any, help: str, *, minimum: float | None = None, maximum: float | None = None,
            above: float | None = None, below: float | None = None) -> Any:
    """A dataclass field with its one-line help and the range that the loader enforces.

    ``minimum`` and ``maximum`` are inclusive bounds, ``above`` and ``below`` exclusive ones.
    """
    bounds = {"minimum": minimum, "maximum": maximum, "above": above, "below": below}
    metadata = {"help": help, **{name: bound for name, bound in bounds.items() if bound is not None}}
    if isinstance(default, (list, dict)):
        raise TypeError("use a tuple as the default of a config field, lists are shared between instances")
    return dataclasses.field(default=default, metadata=metadata)


def range_problem(field: "dataclasses.Field[Any]", value: float) -> str | None:
    """What range ``value`` breaks, such as ``"at least 0"``, or None."""
    bounds = field.metadata
    if "minimum" in bounds and not value >= bounds["minimum"]:
        return f"at least {bounds['minimum']}"
    if "maximum" in bounds and not value <= bounds["maximum"]:
        return f"at most {bounds['maximum']}"
    if "above" in bounds and not value > bounds["above"]:
        return f"above {bounds['above']}"
    if "below" in bounds and not value < bounds["below"]:
        return f"below {bounds['below']}"
    return None
