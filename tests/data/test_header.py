from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.data.odd_formats import png_bomb, write_odd, write_plain
from tfpt.data.header import MAX_PIXELS, BrokenImage, graph_reads, open_header


def test_the_graph_reads_plain_images_and_no_others(tmp_path):
    for expected, paths in ((True, write_plain(tmp_path)), (False, write_odd(tmp_path))):
        for name, path in paths.items():
            contents = path.read_bytes()
            assert graph_reads(contents, open_header(contents)) is expected, name


def test_an_interlaced_or_os2_bmp_is_not_trusted():
    stream = BytesIO()
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(stream, "BMP")
    plain = stream.getvalue()
    # The header of OS/2 1.x: 12 bytes, sizes in 16 bits.
    os2 = (b"BM" + plain[2:10] + (26).to_bytes(4, "little") + (12).to_bytes(4, "little")
           + b"".join(n.to_bytes(2, "little") for n in (2, 2, 1, 24)) + plain[54:])
    assert graph_reads(plain, open_header(plain))
    assert not graph_reads(os2, open_header(os2))


@pytest.mark.parametrize("contents, why", [
    (b"", "empty file"), (b"just text", "not an image"), (b"\x89PNG\r\n\x1a\n", "not an image|damaged"),
    (png_bomb(20_000, 20_000), f"more than {MAX_PIXELS:,} pixels"),
    (png_bomb(9_460, 9_460), f"more than {MAX_PIXELS:,} pixels"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image")])
@pytest.mark.filterwarnings("ignore")
def test_broken_headers(contents, why):
    with pytest.raises(BrokenImage, match=why):
        open_header(contents)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage!", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0"])
def test_damaged_exif_counts_as_none(tmp_path, exif):
    path = tmp_path / "a.jpg"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path, exif=exif)
    contents = path.read_bytes()
    assert graph_reads(contents, open_header(contents))
