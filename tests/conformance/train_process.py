"""Trains a task in a process of its own: ``python -m tests.conformance.train_process TASK RECIPE RUN_DIR …``.

Further arguments are ``--resume`` and ``name=value`` assignments. Prints the manifest's test metrics.
"""

import json
import os
import sys

from tfpt import runtime

if __name__ == "__main__":
    runtime.quiet_tensorflow()
    from tfpt.workflows.train import train

    task, recipe, run_dir, *rest = sys.argv[1:]
    finished = train(task, recipe=f"{task}/{recipe}", run_dir=run_dir, resume="--resume" in rest,
                     tensorboard_root=os.path.join(run_dir, "..", "tensorboard"),
                     assignments=[item for item in rest if item != "--resume"])
    assert finished is not None
    print(json.dumps(finished.manifest()["metrics"]["test"]))
