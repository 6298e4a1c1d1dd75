"""What an image does to the process that decodes it: to no other process, and to no other image."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.data.harmful_images import tiff_bomb
from tests.data.image_files import photo, save_photo
from tests.data.odd_formats import write_odd, write_plain
from tests.processes import heed_interrupts
from tfpt.data.check import check_images
from tfpt.data.decode import decode_image, resize_image
from tfpt.data.image_workers import WorkerSettings
from tfpt.data.listing import ListedImages
from tfpt.data.worker_process import Nursery
from tfpt.errors import DataError

REPOSITORY = Path(__file__).resolve().parents[2]
HARMFUL = "tests.data.harmful_images:by_name"


def listed(paths) -> ListedImages:
    paths = tuple(map(str, paths))
    return ListedImages(tuple(map(os.path.basename, paths)), np.zeros(len(paths), np.int32), paths=paths)


def photos(folder: Path, *names: str) -> list[Path]:
    return [save_photo(folder / f"{name}.png", seed) for seed, name in enumerate(names)]


@pytest.mark.parametrize("memory_mb", [0, 10])
def test_what_harms_its_decoder_is_named_and_all_others_are_used(tmp_path, capfd, memory_mb):
    names = ["a", "segfault-1", "b", "greedy-1", "c", "busy-1", "asleep-1", "d", "exit-1", "segfault-2", "e", "f"]
    settings = WorkerSettings(seconds=3, memory_bytes=300 * 2**20, wrapper=HARMFUL)
    checked = check_images(listed(photos(tmp_path, *names)), 8, memory_mb, settings)
    assert {item.path: item.why for item in checked.broken} == {
        "segfault-1.png": "its decoder crashed (SIGSEGV)", "segfault-2.png": "its decoder crashed (SIGSEGV)",
        "exit-1.png": "its decoder crashed (exit code 3)", "busy-1.png": "takes too long to decode",
        "asleep-1.png": "takes too long to decode",
        "greedy-1.png": "takes more memory to decode than any allowed image should"}
    assert checked.source.names == tuple(f"{name}.png" for name in "abcdef")
    for place, path in enumerate(checked.source.paths):
        image = decode_image(tf.io.read_file(path))
        assert np.array_equal(checked.source.load(place), resize_image(image, 8) if memory_mb else image)
    assert capfd.readouterr() == ("", "")


def test_who_died_of_the_image_before_is_tried_again(tmp_path):
    checked = check_images(listed(photos(tmp_path, "unlucky-1", "unlucky-2")), 8, 10, WorkerSettings(wrapper=HARMFUL))
    assert not checked.broken
    assert (tmp_path / "unlucky-1.tried").exists() and (tmp_path / "unlucky-2.tried").exists()


MEASURED = """
import json, resource, sys
from pathlib import Path
from tests.data.test_image_workers import WorkerSettings, check_images, listed

began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
checked = check_images(listed([Path(path) for path in sys.argv[1:]]), 8, 10, WorkerSettings(memory_bytes=400 * 2**20))
taken = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps([[item.path for item in checked.broken], taken[0] - began, taken[1]]))
"""


def test_no_memory_that_the_header_does_not_announce(tmp_path):
    bomb = tmp_path / "bomb.tif"
    bomb.write_bytes(tiff_bomb())
    with Image.open(bomb) as image:
        assert image.size == (100, 100)
    good, = photos(tmp_path, "good")
    # In a process of its own: what its children took at most, those of other tests would hide.
    done = subprocess.run([sys.executable, "-c", MEASURED, str(bomb), str(good)], capture_output=True, text=True,
                          cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    broken, own_kilobytes, kilobytes = json.loads(done.stdout.splitlines()[-1])
    assert broken == ["bomb.tif"]
    assert own_kilobytes < 100 * 2**10
    assert kilobytes < 1000 * 2**10  # unlimited, 1,600 MB more


def test_a_large_image_fits_into_the_limits(tmp_path):
    path = tmp_path / "large.jpg"
    Image.fromarray(photo(height=90, width=90)).resize((9_400, 9_400)).save(path, progressive=True, quality=30)
    assert not check_images(listed([path]), 8, 10).broken


def test_an_image_beyond_the_limit_of_memory_is_left_out(tmp_path):
    path = tmp_path / "large.png"
    Image.new("RGB", (9_000, 9_000)).save(path)
    checked = check_images(listed([path]), 8, 10, WorkerSettings(memory_bytes=100 * 2**20))
    assert [item.path for item in checked.broken] == ["large.png"]


def test_a_mistake_of_ours_is_no_broken_image(tmp_path):
    settings = WorkerSettings(wrapper="tests.data.harmful_images:broken_wrapper")
    with pytest.raises(RuntimeError, match="no such check"):
        check_images(listed(photos(tmp_path, "a", "b")), 8, 10, settings)


def test_no_workers_no_check(tmp_path, monkeypatch):
    for executable in (tmp_path / "missing", "/bin/false"):
        monkeypatch.setattr(sys, "executable", str(executable))
        with pytest.raises(DataError, match="Images are decoded in processes of their own, and none can be started"):
            check_images(listed(photos(tmp_path, "a")), 8, 10)


def test_a_cache_that_cannot_be_written_is_told_by_the_worker(tmp_path, own_cache):
    own_cache.write_text("a file where the folder should be")
    with pytest.raises(DataError, match="can't be written: .* Set TFPT_CACHE"):
        check_images(listed([write_odd(tmp_path / "odd")["rgba.png"], *photos(tmp_path, "a")]), 8, 10)


def test_without_tensorflows_libraries_its_python_decodes_alike(tmp_path):
    paths = [*write_plain(tmp_path / "plain").values(), write_odd(tmp_path / "odd")["cmyk.jpg"]]
    paths.append(tmp_path / "cut.jpg")
    paths[-1].write_bytes(paths[0].read_bytes()[:-200])
    by_library, by_python = (check_images(listed(paths), 24, 10, settings)
                             for settings in (WorkerSettings(), WorkerSettings(libraries=())))
    assert by_python.broken == by_library.broken and [item.path for item in by_python.broken] == ["cut.jpg"]
    assert np.array_equal(by_python.source.held, by_library.source.held)


def test_this_process_reads_no_file(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (20, 150, 150, 3)).astype(np.uint8)
    paths = [tmp_path / f"{number}.png" for number in range(20)]
    for path, pixels in zip(paths, noise):
        Image.fromarray(pixels).save(path)
    paths += [tmp_path / "turned.jpg", tmp_path / "broken.png"]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise[0]).save(paths[-2], exif=exif, quality=95)
    paths[-1].write_bytes(paths[0].read_bytes()[:-99])
    check_images(listed(paths[:1]), 8, 10)  # what is imported late is read now
    readings = [bytes_read()]
    close = Nursery.close
    monkeypatch.setattr(Nursery, "close", lambda nursery: readings.append(bytes_read()) or close(nursery))
    checked = check_images(listed(paths), 8, 10)
    assert readings[1] - readings[0] < min(path.stat().st_size for path in paths)
    assert [item.path for item in checked.broken] == ["broken.png"] and len(checked.source) == 21


def bytes_read() -> int:
    """By this process, whatever of it has asked for them; and by its children, once they have ended."""
    with open("/proc/self/io", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("rchar")).split()[1])


CHECK = f"""
import sys
from tests.data.test_image_workers import HARMFUL, WorkerSettings, check_images, listed
print("begins", flush=True)
check_images(listed(sys.argv[1:]), 8, 10, WorkerSettings(wrapper={HARMFUL!r}))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_the_process(tmp_path, number):
    paths = photos(tmp_path, "asleep-1", *map(str, range(6)), "busy-1")
    with subprocess.Popen([sys.executable, "-c", CHECK, *map(str, paths)], cwd=REPOSITORY, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, preexec_fn=heed_interrupts) as process:
        assert process.stdout.readline() == b"begins\n"
        notes = [tmp_path / "asleep-1.pid", tmp_path / "busy-1.pid"]
        wait_until(lambda: all(note.exists() and note.read_text() for note in notes))
        workers = {int(word) for note in notes for word in note.read_text().split()}
        assert len(workers) == 3 and process.pid not in workers  # two, and the one that made them
        process.send_signal(number)
        assert process.wait(20) == -number  # Python ends by SIGINT as well, if nobody catches it
        wait_until(lambda: not any(is_running(worker) for worker in workers))


def wait_until(happens, seconds=60.0):
    until = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.05)


def is_running(process_id: int) -> bool:
    """A process that has ended, and that nobody has asked after, is a zombie."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_second_check_is_as_the_first(tmp_path, own_cache):
    paths = [*write_odd(tmp_path / "odd").values(), *photos(tmp_path, "a", "b")]
    first = check_images(listed(paths), 16, 10).source
    for damaged in list((own_cache / "images").iterdir())[:3]:
        damaged.write_bytes(b"\x89PNG")
    again = check_images(listed(paths), 16, 10).source
    assert again.hashes == first.hashes and again.paths == first.paths
    assert np.array_equal(again.held, first.held)
