"""Row folders: what was written is read, and nothing else, also when files are damaged."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.row_folder_files import (
    ROW_BYTES, flip, holds, holds_after_append, keys_of, lacks, opened, rows_of, segment, written)
from tfpt.data import row_files, row_segments

NUMBERS = st.lists(st.integers(0, 40) | st.integers(2**127, 2**127 + 3), max_size=9)
STEPS = st.lists(st.tuples(st.just("append"), NUMBERS) | st.tuples(st.sampled_from(["finish", "reopen"]), st.none()))


@settings(deadline=None, max_examples=150)
@given(STEPS, st.sampled_from([1, 24, 30, 100]))
def test_what_was_finished_is_found_and_read_and_nothing_else(steps, row_bytes):
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_segments, "_BLOCK_BYTES", 96)  # several blocks, the last one not full
        folder, kept, pending, numbered = opened(Path(name), row_bytes), set(), set(), {}
        for step, numbers in steps:
            if step == "append":
                given_rows = folder.append(keys_of(numbers), rows_of(numbers, row_bytes))
                numbered.update(zip(given_rows.tolist(), numbers, strict=True))
                pending |= set(numbers)
            elif step == "finish":
                folder.finish()
                kept, pending = kept | pending, set()
            else:
                folder.close()
                folder, pending, numbered = opened(Path(name), row_bytes), set(), {}
            here = sorted(kept | pending)
            assert holds(folder, here, row_bytes) and folder.damaged == []
            assert folder.verified(folder.find(keys_of(here))).all()
            assert lacks(folder, set(range(50)) - set(here))
            assert np.array_equal(folder.read(np.array(list(numbered), int)), rows_of(numbered.values(), row_bytes))
        folder.close()


def test_rows_of_several_segments_come_in_the_order_asked(tmp_path):
    folder = opened(written(tmp_path, range(10), range(10, 20)))
    folder.append(keys_of(range(20, 30)), rows_of(range(20, 30)))
    mixed = np.random.default_rng(0).permutation(np.repeat(np.arange(30), 2))
    assert holds(folder, mixed)


def test_rows_are_copies_that_can_be_changed(tmp_path):
    folder = opened(written(tmp_path, range(3)))
    folder.read(np.array([0]))[:] = 0
    assert holds(folder, range(3))


@pytest.mark.parametrize("rows", [[3], [-1], [0, 10**12]])
def test_a_number_that_no_row_has_is_an_error(tmp_path, rows):
    folder = opened(written(tmp_path, range(3)))
    with pytest.raises(IndexError):
        folder.read(np.array(rows))
    assert not folder.verified(np.array(rows))[-1]


@pytest.mark.parametrize(("keys", "rows"), [
    (keys_of([1])[:, :15], rows_of([1])), (keys_of([1]), rows_of([1])[:, 1:]), (keys_of([1, 2]), rows_of([1])),
    (keys_of([1]), rows_of([1]).astype(np.float32)), (keys_of([1])[0], rows_of([1]))])
def test_arrays_of_another_shape_or_dtype_are_refused(tmp_path, keys, rows):
    folder = opened(tmp_path)
    with pytest.raises(ValueError):
        folder.append(keys, rows)
    assert list(tmp_path.glob("*.rows")) == []


def test_strided_arrays_are_written_as_they_look(tmp_path):
    folder = opened(tmp_path)
    folder.append(keys_of(range(10))[::-2], rows_of(range(10))[::-2])
    assert holds(folder, [9, 7, 5, 3, 1]) and lacks(folder, [0, 2])


def test_a_segment_begins_with_its_rows_at_offset_0(tmp_path):
    contents = segment(written(tmp_path, range(5))).read_bytes()
    assert contents.startswith(rows_of(range(5)).tobytes()) and contents.endswith(b"tfptrows")


def test_opening_marks_the_folder_as_used_and_says_what_it_holds(tmp_path):
    written(tmp_path, range(2))
    os.utime(tmp_path / "about.json", (1, 1))
    opened(tmp_path).close()
    assert (tmp_path / "about.json").stat().st_mtime > 1
    assert '"model": "small"' in (tmp_path / "about.json").read_text()


def test_what_was_not_finished_is_gone_after_close(tmp_path):
    folder = opened(tmp_path)
    folder.append(keys_of([1]), rows_of([1]))
    assert holds(folder, [1]) and list(tmp_path.glob("*.rows")) == []
    folder.close()
    assert os.listdir(tmp_path) == ["about.json"]


# The footer of 5 rows ends 16 bytes before the end: it holds head (32), keys (80), one block's digest and its own (32).
PLACES = {"rows": 3, "format": -16 - 176, "row count": -16 - 160, "keys": -16 - 100, "digest": -16 - 40,
          "footer's digest": -16 - 5, "footer's length": -16, "magic": -1}


@pytest.mark.parametrize("place", PLACES)
def test_a_flipped_bit_is_found_wherever_it_is(tmp_path, place):
    written(tmp_path, range(5))
    file = segment(tmp_path)
    written(tmp_path, range(5, 8))
    flip(file, PLACES[place])
    folder = opened(tmp_path)
    assert (folder.damaged == []) == (place == "rows")  # rows are looked at when they are wanted
    rows = folder.find(keys_of(range(8)))
    assert folder.verified(rows).tolist() == [False] * 5 + [True] * 3
    assert lacks(folder, range(5)) and holds(folder, range(5, 8))
    assert not file.exists() and len(folder.damaged) == 1 and str(file) in folder.damaged[0]


@pytest.mark.parametrize("kept", [0, 1, 10, 16, 100, 200, 250, -17, -1])
def test_a_truncated_file_is_removed(tmp_path, kept):
    file = segment(written(tmp_path, range(5)))
    file.write_bytes(file.read_bytes()[:kept])
    folder = opened(tmp_path)
    assert lacks(folder, range(5)) and not file.exists() and len(folder.damaged) == 1


def test_a_file_with_a_hole_in_front_of_a_whole_footer_is_removed(tmp_path):
    file = segment(written(tmp_path, range(5)))
    file.write_bytes(b"\0" * ROW_BYTES + file.read_bytes())
    assert lacks(opened(tmp_path), range(5)) and not file.exists()


def test_rows_of_another_length_are_removed(tmp_path):
    file = segment(written(tmp_path, range(5)))
    folder = opened(tmp_path, row_bytes=24)
    assert "40 bytes, expected 24" in folder.damaged[0] and not file.exists()


def test_files_of_others_are_left_alone(tmp_path):
    written(tmp_path, range(2))
    for name in ("notes.rows", "a.txt", ".hidden.tmp"):
        (tmp_path / name).write_text("mine")
    (tmp_path / f"{'0' * 32}.rows").write_text("looks like ours, but isn't")
    folder = opened(tmp_path)
    assert len(folder.damaged) == 1 and holds(folder, range(2))
    assert {"notes.rows", "a.txt", ".hidden.tmp"} < set(os.listdir(tmp_path))


def test_a_bad_block_takes_its_whole_segment_out_but_not_what_is_being_read(tmp_path, monkeypatch):
    monkeypatch.setattr(row_segments, "_BLOCK_BYTES", 4 * ROW_BYTES)
    file = segment(written(tmp_path, range(12)))
    flip(file, 9 * ROW_BYTES)
    folder = opened(tmp_path)
    assert folder.verified(np.arange(8)).all() and file.exists()  # its block isn't asked for
    assert not folder.verified(np.arange(12)).any() and not folder.verified(np.arange(8)).any()
    assert lacks(folder, range(12)) and not file.exists()
    assert np.array_equal(folder.read(np.arange(8)), rows_of(range(8)))
    assert holds_after_append(folder, range(12))


def test_a_bad_block_is_found_while_rows_are_being_written(tmp_path):
    flip(segment(written(tmp_path, range(5))), 0)
    folder = opened(tmp_path)
    folder.append(keys_of(range(5, 9)), rows_of(range(5, 9)))
    assert folder.verified(np.arange(9)).tolist() == [False] * 5 + [True] * 4
    assert holds_after_append(folder, range(9, 12)) and holds(folder, range(5, 12)) and lacks(folder, range(5))


def test_when_one_of_two_copies_is_bad_the_other_is_found(tmp_path):
    written(tmp_path, range(5))
    first = segment(tmp_path)
    written(tmp_path, range(5))
    flip(first, 0)
    folder = opened(tmp_path)
    for _ in range(2):  # whichever was found first
        folder.verified(folder.find(keys_of(range(5))))
    assert holds(folder, range(5)) and folder.verified(folder.find(keys_of(range(5)))).all()


def test_segments_unlinked_under_a_reader_are_still_read(tmp_path):
    folder = opened(written(tmp_path / "rows", range(5)))
    folder.append(keys_of(range(5, 9)), rows_of(range(5, 9)))
    for file in list((tmp_path / "rows").iterdir()):
        file.unlink()
    (tmp_path / "rows").rmdir()
    assert holds(folder, range(9)) and folder.verified(np.arange(5)).all()
    folder.finish()  # the cache was cleared while we wrote: no error, but not kept either
    assert holds(folder, range(9)) and not (tmp_path / "rows").exists()
    folder.append(keys_of([9]), rows_of([9]))
    folder.finish()
    assert holds(opened(tmp_path / "rows"), [9])


def test_rows_that_others_finish_are_seen_after_a_refresh(tmp_path):
    reader, writer = opened(tmp_path), opened(tmp_path)
    numbers = reader.append(keys_of([50]), rows_of([50]))
    reader.finish()
    writer.append(keys_of(range(5)), rows_of(range(5)))
    assert not reader.refresh() and lacks(reader, range(5))
    writer.finish()
    assert lacks(reader, range(5)) and reader.refresh() and not reader.refresh()
    assert holds(reader, range(5)) and reader.verified(reader.find(keys_of(range(5)))).all()
    assert not writer.refresh() or holds(writer, [50])
    assert np.array_equal(reader.read(numbers), rows_of([50])) and holds_after_append(reader, [51])


def test_a_refresh_waits_while_rows_are_unfinished(tmp_path):
    folder = opened(tmp_path)
    folder.append(keys_of([7]), rows_of([7]))
    assert folder.unfinished_seconds > 0
    written(tmp_path, range(5))
    assert not folder.refresh() and holds_after_append(folder, [8])
    folder.finish()
    assert folder.unfinished_seconds == 0 and folder.refresh() and holds(folder, [*range(5), 7, 8])


def test_a_refresh_passes_over_what_is_damaged_and_what_is_gone_once(tmp_path, monkeypatch):
    folder = opened(tmp_path)
    flip(segment(written(tmp_path, range(5))), -1)
    assert folder.refresh() and len(folder.damaged) == 1 and lacks(folder, range(5)) and not folder.refresh()
    monkeypatch.setattr(row_files, "segment_files", lambda _: [tmp_path / f"{'0' * 32}.rows"])
    assert folder.refresh() and not folder.refresh() and len(folder.damaged) == 1
    monkeypatch.undo()
    shutil.rmtree(tmp_path)
    assert not folder.refresh()
