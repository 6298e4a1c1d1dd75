"""Whole searches: ``tfpt tune`` against plain KerasTuner with ``fit`` on the same list of trials, in seconds.

Processes of their own, alternating, each tfpt one with an empty cache; the median of paired ratios. Both go through a
grid of depths and learning rates on the same JPEG files.

    python benchmarks/tune.py --out tune.json
    python benchmarks/tune.py --memory 50
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
from prefix_cache_commands import HERE, WRITE_BACKBONE, run

RATES = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3]


def write_recipe(file: Path, arguments: argparse.Namespace) -> None:
    file.write_text(f"""
data: {{path: images}}
model: {{weights: backbone.keras}}
freeze: {{head_epochs: 0, backbone_rate: 1.0}}
augment: {{flip: false}}
optimizer: {{schedule: constant}}
train: {{epochs: {arguments.epochs}}}
search: {{freeze.unfreeze: {arguments.unfreeze}, optimizer.learning_rate: {RATES}}}
""")


def compare(arguments: argparse.Namespace, folder: Path) -> dict:
    environment = {**os.environ, "TFPT_CACHE": str(folder / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    depths = list(map(str, arguments.unfreeze))
    fit = [sys.executable, str(HERE / "tune_command.py"), "images", "backbone.keras", "--unfreeze", *depths, "--rates",
           *map(str, RATES), "--epochs", str(arguments.epochs)]
    ours = [sys.executable, "-m", "tfpt", "tune", "--config", "search.yaml", "--search", "grid"]
    write_recipe(folder / "search.yaml", arguments)
    done: dict[str, list[tuple[float, float]]] = {"tfpt": [], "fit": []}
    for turn in range(arguments.rounds):
        pair = [("tfpt", ours), ("fit", fit)]
        for name, command in pair if turn % 2 == 0 else pair[::-1]:
            shutil.rmtree(folder / "cache", ignore_errors=True)
            done[name].append(run(command, folder, environment))
            print(f"  {name}: {done[name][-1][0]:.1f} s, {(folder / 'output.txt').read_text().splitlines()[-1]}",
                  flush=True)
    ratios = [fit[0] / our[0] for our, fit in zip(done["tfpt"], done["fit"], strict=True)]
    return {"trials": len(RATES) * len(depths), "ratio": round(statistics.median(ratios), 2),
            "ratios": [round(ratio, 2) for ratio in ratios],
            "seconds": {name: round(statistics.median(each[0] for each in runs), 1) for name, runs in done.items()},
            "peak_megabytes": {name: round(statistics.median(each[1] for each in runs))
                               for name, runs in done.items()}}


def memory_over_trials(trials: int, folder: Path) -> dict:
    """Resident megabytes of ``tfpt tune`` on the bundled digits after each trial, dropout searched as well."""
    (folder / "search.yaml").write_text("""
data: {path: "bundled:digits", image_size: 96}
train: {epochs: 3}
search:
  optimizer.learning_rate: {min: 1e-4, max: 1e-2, sampling: log}
  freeze.unfreeze: [0, 5, 10, 20]
  model.head.dropout: {min: 0.0, max: 0.5}
""")
    process = subprocess.Popen([sys.executable, "-m", "tfpt", "tune", "--config", "search.yaml", "--trials",
                                str(trials), "--run-dir", "search"], cwd=folder, stderr=subprocess.DEVNULL,
                               env={**os.environ, "TFPT_CACHE": str(folder / "cache")})
    megabytes: list[int] = []
    while process.poll() is None:
        done = len(list(folder.glob("search/trials/*/result.json")))
        if done > len(megabytes):
            status = Path(f"/proc/{process.pid}/status").read_text()
            resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
            megabytes += [int(resident) // 1000] * (done - len(megabytes))
        time.sleep(0.05)
    return {"trials": trials, "exit_code": process.returncode, "megabytes_after_trial": megabytes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--unfreeze", type=int, nargs="+", default=[0, 5, 10, 20])
    parser.add_argument("--memory", type=int, metavar="TRIALS", help="only the memory of so many trials")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if arguments.memory:
            print(json.dumps(memory_over_trials(arguments.memory, folder)))
            return
        write_images(folder / "images", arguments.files)
        environment = {**os.environ, "PYTHONPATH": str(HERE)}
        run([sys.executable, "-c", WRITE_BACKBONE, "backbone.keras", "1.0", "224"], folder, environment)
        result = {"settings": {name: value for name, value in vars(arguments).items() if name != "out"},
                  **compare(arguments, folder)}
    print(json.dumps(result))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
