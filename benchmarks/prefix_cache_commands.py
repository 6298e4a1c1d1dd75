"""Whole commands, start-up and test included: ``tfpt finetune-image`` against a ``fit`` script, seconds and memory.

Processes of their own, alternating, each tfpt one with an empty cache; the median of paired ratios.

    python benchmarks/prefix_cache_commands.py --unfreeze 0 10 30 all --out prefix_cache_commands.json
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jpeg_files import write_images
from training_jobs import option_parser, write_rows

WRITE_BACKBONE = ("import sys; from pathlib import Path; from prefix_cache import write_backbone; "
                  "write_backbone(Path(sys.argv[1]), alpha=float(sys.argv[2]), image_size=int(sys.argv[3]))")
HERE = Path(__file__).resolve().parent


def run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Wall seconds and peak megabytes of one process."""
    began = time.perf_counter()
    with open(folder / "output.txt", "wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        sys.exit((folder / "output.txt").read_text())
    return seconds, usage.ru_maxrss / 1000


def compare(unfreeze: int | str, arguments: argparse.Namespace, folder: Path) -> dict:
    environment = {**os.environ, "TFPT_CACHE": str(folder / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    both = ["--unfreeze", str(unfreeze), "--epochs", str(arguments.epochs), "--image-size", str(arguments.image_size)]
    fit = [sys.executable, str(HERE / "fit_command.py"), "images", "backbone.keras", *both]
    ours = [sys.executable, "-m", "tfpt", "finetune-image", "--data", "images", "--weights", "backbone.keras", *both,
            "--set", f"model.alpha={arguments.alpha}", "--set", "freeze.head_epochs=0",
            "--set", "augment.flip=false", "--learning-rate", "1e-4", "--set", "freeze.backbone_rate=1"]
    seconds: dict[str, list[float]] = {"tfpt": [], "fit": []}
    megabytes: dict[str, list[float]] = {"tfpt": [], "fit": []}
    for turn in range(arguments.rounds):
        pair = [("tfpt", ours), ("fit", fit)]
        for name, command in pair if turn % 2 == 0 else pair[::-1]:
            if not arguments.warm:
                shutil.rmtree(folder / "cache", ignore_errors=True)
            wall_seconds, peak_megabytes = run(command, folder, environment)
            seconds[name].append(wall_seconds)
            megabytes[name].append(peak_megabytes)
        print(f"  unfreeze {unfreeze}: {seconds['tfpt'][-1]:.1f} s against {seconds['fit'][-1]:.1f} s", flush=True)
    ratios = [fit / our for our, fit in zip(seconds["tfpt"], seconds["fit"], strict=True)]
    return {"unfreeze": unfreeze, "ratio": round(statistics.median(ratios), 2), "ratios": [round(r, 2) for r in ratios],
            "seconds": {name: round(statistics.median(values), 1) for name, values in seconds.items()},
            "peak_megabytes": {name: round(statistics.median(values)) for name, values in megabytes.items()}}


def main() -> None:
    parser = option_parser(__doc__, ["0", "10", "30", "all"])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--warm", action="store_true", help="keep the rows from command to command")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_images(folder / "images", arguments.files)
        # In a process of its own: a child's peak begins with the size of the process that starts it.
        subprocess.run([sys.executable, "-c", WRITE_BACKBONE, folder / "backbone.keras", str(arguments.alpha),
                        str(arguments.image_size)], cwd=HERE, check=True)
        rows = []
        for unfreeze in arguments.unfreeze:
            rows.append(compare(unfreeze, arguments, folder))
            print(json.dumps(rows[-1]), flush=True)
    write_rows(arguments, rows)


if __name__ == "__main__":
    main()
