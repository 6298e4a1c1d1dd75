"""Files in every format that the data check must get right, written by Pillow or byte by byte."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.image_files import photo

RGB = Image.fromarray(photo())
GREY = RGB.convert("L")
RGBA = Image.merge("RGBA", (*RGB.split(), GREY))


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _palette_with_alpha() -> Image.Image:
    return RGBA.quantize(32)


def write_plain(folder: Path) -> dict[str, Path]:
    """What the graph reads as Pillow does, so that the originals are used."""
    return _write(folder, {
        "rgb.jpg": (RGB, {}), "grey.jpg": (GREY, {}), "progressive.jpeg": (RGB, {"progressive": True}),
        "rgb.png": (RGB, {}), "grey.png": (GREY, {}), "rgb.bmp": (RGB, {}),
        "upright.jpg": (RGB, {"exif": _exif(1)}), "upright_exif.png": (RGB, {"exif": _exif(1)})})


def write_odd(folder: Path) -> dict[str, Path]:
    """What has to be converted."""
    rotated = {f"exif_{n}.jpg": (RGB, {"exif": _exif(n)}) for n in range(2, 9)}
    frames = [RGB.rotate(90 * n) for n in range(3)]
    paths = _write(folder, {
        **rotated, "exif_6.png": (RGB, {"exif": _exif(6)}), "exif_3.webp": (RGB, {"exif": _exif(3)}),
        "cmyk.jpg": (RGB.convert("CMYK"), {}), "rgba.png": (RGBA, {}), "grey_alpha.png": (RGBA.convert("LA"), {}),
        "palette.png": (RGB.quantize(16), {}), "palette_alpha.png": (_palette_with_alpha(), {}),
        "transparent_colour.png": (RGB, {"transparency": RGB.getpixel((3, 3))}), "one_bit.png": (GREY.convert("1"), {}),
        "still.gif": (RGB, {}), "animated.gif": (frames[0], {"save_all": True, "append_images": frames[1:]}),
        "animated.png": (frames[0], {"save_all": True, "append_images": frames[1:]}),
        "lossy.webp": (RGB, {}), "lossless_alpha.webp": (RGBA, {"lossless": True}),
        "animated.webp": (frames[0], {"save_all": True, "append_images": frames[1:]}),
        "colour.tif": (RGB, {}), "compressed.tiff": (RGB, {"compression": "tiff_lzw"}),
        "pages.tif": (frames[0], {"save_all": True, "append_images": frames[1:]}),
        "grey.bmp": (GREY, {}), "rgba.bmp": (RGBA, {})})
    paths["several.jpg"] = folder / "several.jpg"
    frames[0].save(paths["several.jpg"], "MPO", save_all=True, append_images=frames[1:])
    paths["colour_16_bit.png"] = folder / "colour_16_bit.png"
    paths["colour_16_bit.png"].write_bytes(png_16_bit(photo().astype(np.uint16) * 256 + 77))
    return paths


def png_16_bit(levels: np.ndarray) -> bytes:
    """A PNG of uint16 ``[height, width]`` or ``[height, width, 3]``; Pillow writes no 16-bit colour itself."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = png_header(levels.shape[1], levels.shape[0], bits=16, colour_type=2 if levels.ndim == 3 else 0)
    return header + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def png_header(width: int, height: int, bits: int = 8, colour_type: int = 2) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))


def png_bomb(width: int, height: int) -> bytes:
    """A small file that says it is very large."""
    return png_header(width, height) + _chunk(b"IDAT", zlib.compress(bytes(1000))) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _write(folder: Path, images: dict[str, tuple[Image.Image, dict]]) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (image, options) in images.items():
        image.save(folder / name, **options)
    return {name: folder / name for name in images}
