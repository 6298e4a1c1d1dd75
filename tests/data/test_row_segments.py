"""Segment files by themselves; what a folder makes of damaged ones is in test_row_files.py."""

import os
import struct

import numpy as np
import pytest

from tests.data.row_folder_files import ROW_BYTES, flip, keys_of, rows_of, segment, written
from tfpt.data import row_segments
from tfpt.data.row_segments import DamagedSegment, check_segment, read_footer, read_head


def test_the_head_tells_sizes_and_the_footer_keys_and_digests(tmp_path, monkeypatch):
    monkeypatch.setattr(row_segments, "_BLOCK_BYTES", 3 * ROW_BYTES)
    with segment(written(tmp_path, range(8))).open("rb") as file:
        head, footer = read_head(file), read_footer(file)
    assert (head.row_bytes, head.rows, head.rows_per_block, head.blocks) == (ROW_BYTES, 8, 3, 3)
    assert footer.keys[16:32] == (1).to_bytes(16, "little") and footer.span(2) == slice(240, 320)
    assert footer.is_whole(2, rows_of([6, 7]).tobytes()) and not footer.is_whole(1, rows_of([6, 7]).tobytes())


def test_a_row_longer_than_a_block_is_a_block(tmp_path):
    with segment(written(tmp_path, range(3), row_bytes=2**20 + 1)).open("rb") as file:
        assert read_head(file).rows_per_block == 1


@pytest.mark.parametrize("batches", [[1] * 8, [2, 2, 2, 2], [5, 3], [1, 7], [3, 4, 1]])
def test_blocks_are_the_same_however_rows_were_appended(tmp_path, monkeypatch, batches):
    monkeypatch.setattr(row_segments, "_BLOCK_BYTES", 3 * ROW_BYTES)
    written(tmp_path, range(8))
    writer = row_segments.SegmentWriter(tmp_path, ROW_BYTES)
    for end, count in zip(np.cumsum(batches).tolist(), batches, strict=True):
        numbers = range(end - count, end)
        writer.append(keys_of(numbers).data.cast("B"), rows_of(numbers).data.cast("B"))
    other = writer.finish()
    writer.close()
    assert len({file.read_bytes() for file in tmp_path.glob("*.rows")}) == 1 and other.exists()


@pytest.mark.parametrize("offset", [0, 8 * ROW_BYTES - 1, 8 * ROW_BYTES, -17, -16, -1])
def test_checking_a_file_finds_any_flipped_bit(tmp_path, offset):
    file = segment(written(tmp_path, range(8)))
    check_segment(file)
    flip(file, offset)
    with pytest.raises(DamagedSegment):
        check_segment(file)


@pytest.mark.parametrize("length", [0, 1, 2**40, 2**63])
def test_a_trailer_that_lies_is_damage(tmp_path, length):
    file = segment(written(tmp_path, range(8)))
    with file.open("r+b") as stream:
        stream.seek(-16, os.SEEK_END)
        stream.write(struct.pack("<Q", length))
    with pytest.raises(DamagedSegment, match=f"footer of {length} bytes"):
        check_segment(file)


def test_another_format_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(row_segments, "FORMAT", 2)
    file = segment(written(tmp_path, range(8)))
    monkeypatch.undo()
    with pytest.raises(DamagedSegment, match="format is 2, this tfpt reads 1"):
        check_segment(file)
