"""Large sets are not held in memory: only how many images there are is, and where."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.data.image_files import encoded, photo
from tests.data.tfds.prepared_sets import FORMATS, prepare

REPOSITORY = Path(__file__).resolve().parents[3]
READ_ALL = """import sys
from tfpt import runtime
runtime.quiet_tensorflow()
from tfpt.config.image_classification import AugmentConfig, ImageDataConfig
from tfpt.data.image_pipeline import eval_batches, train_batches
from tfpt.data.image_splits import image_splits

name, data_dir = sys.argv[1:]
data = ImageDataConfig(path=name, data_dir=data_dir, image_size=32, memory_mb=0)
splits = image_splits(data, seed=0)
batches = train_batches(splits.train, image_size=32, augment=AugmentConfig(), seed=0, data_seed=0, epoch=1,
                        first_step=0, batch_size=32)
seen = sum(len(batch["label"]) for batch in batches)
seen += sum(len(batch["label"]) for part in (splits.validation, splits.test)
            for batch in eval_batches(part, image_size=32, batch_size=32))
# Not ru_maxrss: that begins with what the process that started this one had.
peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(seen, peak_kb)
"""
FEW, MANY = 2_000, 20_000
BYTES_FOR_AN_IMAGE = 2_000
"""Name, sum, row of the index, and lists of these that live for a moment; encoded and decoded it has more."""


def examples(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        image = encoded(photo(number, 40, 50), "PNG")
        assert len(image) > BYTES_FOR_AN_IMAGE < 32 * 32 * 3
        yield {"image": image, "label": number % 3}


@pytest.mark.nightly
@pytest.mark.parametrize("file_format", FORMATS)
def test_memory_does_not_grow_with_the_number_of_images(tmp_path, file_format):
    peaks = {}
    for count in (FEW, MANY):
        prepare(tmp_path, {"train": examples(count)}, name=f"shapes{count}", file_format=file_format, shards=4)
        done = subprocess.run([sys.executable, "-c", READ_ALL, f"tfds:shapes{count}", str(tmp_path)], cwd=REPOSITORY,
                              capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
        seen, peak_kb = map(int, done.stdout.split())
        assert seen == count
        peaks[count] = peak_kb * 1024
    assert peaks[MANY] - peaks[FEW] < (MANY - FEW) * BYTES_FOR_AN_IMAGE, peaks
