"""Single files in a class folder: what each is made of, and whether it is used, left out or passed over."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tests.data.image_files import photo
from tests.data.odd_formats import png_16_bit, png_bomb
from tfpt.data.header import MAX_PIXELS

UNDECODABLE = "truncated or damaged: its pixels can't be decoded"
NO_HEADER = "damaged: its header can't be read"
NO_IMAGE = "not an image: its content is none of JPEG, PNG, BMP, GIF, WebP, TIFF"
TOO_LARGE = f"its header says more than {MAX_PIXELS:,} pixels"


def pillow_pixels(path: Path) -> np.ndarray:
    """What Pillow makes of it: the first frame, upright, in RGB."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@dataclass(frozen=True)
class Used:
    """It is trained on; ``pixels`` gives those that it has to have."""

    pixels: Callable[[Path], np.ndarray] = pillow_pixels


@dataclass(frozen=True)
class LeftOut:
    """It isn't, and ``run.json`` says why."""

    why: str


@dataclass(frozen=True)
class PassedOver:
    """It is no image of the user's: nothing is said of it."""


@dataclass(frozen=True)
class FileCase:
    """A file called ``file``, with a content or made by a function of its path."""

    name: str
    file: str
    content: bytes | Callable[[Path], object]
    outcome: Used | LeftOut | PassedOver

    def write(self, folder: Path) -> Path:
        path = folder / self.file
        if isinstance(self.content, bytes):
            path.write_bytes(self.content)
        else:
            self.content(path)
        return path


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(number: int, height: int = 60, width: int = 90) -> Image.Image:
    """Every case has a picture of its own: two alike would count as copies."""
    return Image.fromarray(photo(1000 + number, height, width))


def frames(number: int) -> list[Image.Image]:
    return [picture(number).rotate(90 * turn) for turn in range(3)]


def animated(number: int, kind: str) -> bytes:
    first, *others = frames(number)
    return encoded(first, kind, save_all=True, append_images=others)


def with_alpha(number: int) -> Image.Image:
    image = picture(number)
    return Image.merge("RGBA", (*image.split(), image.convert("L")))


def turned(number: int, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture(number), "JPEG", exif=exif)


def decoded_then(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], np.ndarray]:
    """The stored pixels, with what the file says is to be done to them done by NumPy rather than by Pillow."""
    def pixels(path: Path) -> np.ndarray:
        with Image.open(path) as image:
            return change(np.asarray(image))

    return pixels


def bomb(kind: str) -> bytes:
    """A few bytes that announce gigabytes of pixels."""
    side = (30_000).to_bytes(2, "little")
    if kind == "GIF":
        return b"GIF89a" + side + side + b"\x80\0\0" + bytes(6) + b",\0\0\0\0" + side + side + b"\0\x02\x02D\x01\0;"
    sizes = (54).to_bytes(4, "little") + (40).to_bytes(4, "little") + (30_000).to_bytes(4, "little") * 2
    return b"BM" + bytes(8) + sizes + b"\1\0\x18\0" + bytes(24)


JPEG = [encoded(picture(number), "JPEG") for number in range(5)]
PROGRESSIVE = encoded(picture(5), "JPEG", progressive=True)
PNG = [encoded(picture(number), "PNG") for number in range(6, 9)]
DEEP_GREY = photo(1009)[..., 0].astype(np.uint16) * 256 + 77
DEEP_COLOUR = photo(1010).astype(np.uint16) * 256 + 200

FILES = (
    FileCase("JPEG cut in half", "half.jpg", JPEG[0][:len(JPEG[0]) // 2], LeftOut(UNDECODABLE)),
    FileCase("JPEG without its last two bytes", "last_two.jpg", JPEG[1][:-2], LeftOut(UNDECODABLE)),
    FileCase("progressive JPEG cut in half", "scans.jpg", PROGRESSIVE[:len(PROGRESSIVE) // 2], LeftOut(UNDECODABLE)),
    FileCase("JPEG cut in its header", "start.jpg", JPEG[2][:200], LeftOut(NO_HEADER)),
    FileCase("JPEG with other bytes behind it", "trailer.jpg", JPEG[3] + b"<html>" * 50, Used()),
    FileCase("JPEG named .png", "jpeg.png", JPEG[4], Used()),
    FileCase("PNG without its last chunk", "last_chunk.png", PNG[0][:-12], LeftOut(UNDECODABLE)),
    FileCase("PNG with a flipped byte", "flipped.png", PNG[1][:-60] + bytes([PNG[1][-60] ^ 255]) + PNG[1][-59:],
             LeftOut(UNDECODABLE)),
    FileCase("PNG named .jpg", "png.jpg", PNG[2], Used()),
    FileCase("zero bytes", "empty.jpg", b"", LeftOut("empty file (zero bytes)")),
    FileCase("HTML named .jpg", "page.jpg", b"<!DOCTYPE html><html><body>404</body></html>", LeftOut(NO_IMAGE)),
    FileCase("SVG named .png", "drawing.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", LeftOut(NO_IMAGE)),
    FileCase("HEIC named .jpg", "phone.jpg", b"\0\0\0\x18ftypheic" + bytes(100), LeftOut(NO_IMAGE)),
    FileCase("CMYK JPEG", "cmyk.jpg", encoded(picture(11).convert("CMYK"), "JPEG"), Used()),
    FileCase("16-bit grey PNG", "deep_grey.png", png_16_bit(DEEP_GREY),
             Used(lambda _: np.repeat((DEEP_GREY >> 8).astype(np.uint8)[..., None], 3, axis=-1))),
    FileCase("16-bit colour PNG", "deep_colour.png", png_16_bit(DEEP_COLOUR),
             Used(lambda _: (DEEP_COLOUR >> 8).astype(np.uint8))),
    FileCase("RGBA PNG", "alpha.png", encoded(with_alpha(12), "PNG"), Used(decoded_then(lambda rgba: rgba[..., :3]))),
    FileCase("palette PNG", "palette.png", encoded(picture(13).quantize(16), "PNG"), Used()),
    FileCase("palette PNG with alpha", "palette_alpha.png", encoded(with_alpha(14).quantize(32), "PNG"), Used()),
    FileCase("1×1 JPEG", "dot.jpg", encoded(picture(15, 1, 1), "JPEG"), Used()),
    FileCase("1×1 PNG", "dot.png", encoded(picture(16, 1, 1), "PNG"), Used()),
    FileCase("10000×1 JPEG", "line.jpg", encoded(picture(17, 1, 10_000), "JPEG"), Used()),
    FileCase("1×10000 PNG", "column.png", encoded(picture(18, 10_000, 1), "PNG"), Used()),
    FileCase("JPEG turned a quarter by EXIF", "turned.jpg", turned(19, 6),
             Used(decoded_then(lambda pixels: np.rot90(pixels, k=-1)))),
    FileCase("JPEG mirrored by EXIF", "mirrored.jpg", turned(20, 2),
             Used(decoded_then(lambda pixels: pixels[:, ::-1]))),
    FileCase("animated GIF", "moving.gif", animated(21, "GIF"), Used()),
    FileCase("animated GIF cut in its first frame", "cut.gif", animated(22, "GIF")[:1500], LeftOut(UNDECODABLE)),
    FileCase("animated WebP", "moving.webp", animated(23, "WEBP"), Used()),
    FileCase("WebP cut in half", "cut.webp", encoded(picture(24), "WEBP")[:400], LeftOut(NO_HEADER)),
    FileCase("TIFF", "scan.tif", encoded(picture(25), "TIFF"), Used(decoded_then(lambda pixels: pixels))),
    FileCase("TIFF of three pages", "pages.tiff", animated(26, "TIFF"), Used()),
    FileCase("TIFF cut in half", "cut.tif", encoded(picture(27), "TIFF")[:8000], LeftOut(UNDECODABLE)),
    FileCase("TIFF of 32-bit floats", "floats.tif", encoded(Image.fromarray(np.eye(9, dtype=np.float32)), "TIFF"),
             LeftOut("32-bit pixels without an agreed range: convert it to 8 or 16 bits")),
    FileCase("PNG bomb", "bomb.png", png_bomb(30_000, 30_000), LeftOut(TOO_LARGE)),
    FileCase("GIF bomb", "bomb.gif", bomb("GIF"), LeftOut(TOO_LARGE)),
    FileCase("BMP bomb", "bomb.bmp", bomb("BMP"), LeftOut(TOO_LARGE)),
    FileCase("link to itself", "ring.jpg", lambda path: path.symlink_to(path.name),
             LeftOut("a link that leads back to itself")),
    FileCase("link to nowhere", "gone.jpg", lambda path: path.symlink_to("nowhere.jpg"),
             LeftOut("a link to a file that isn't there")),
    FileCase("pipe named .jpg", "pipe.jpg", os.mkfifo, PassedOver()),
    FileCase("hidden image", ".hidden.png", PNG[0], PassedOver()),
    FileCase("macOS side file", "._photo.jpg", b"\0\5\x16\7", PassedOver()),
    FileCase("Thumbs.db", "Thumbs.db", b"\xd0\xcf\x11\xe0", PassedOver()),
    FileCase("a folder named .jpg", "folder.jpg", Path.mkdir, PassedOver()),
    FileCase("a name with spaces, emoji and Chinese", "ein Bild 🐈 猫.png", encoded(picture(28), "PNG"), Used()),
    FileCase("a name with a line break and an escape", "two\nlines \x1b[31m.png", encoded(picture(29), "PNG"), Used()),
    FileCase("a name that is not UTF-8", os.fsdecode(b"caf\xe9.png"), encoded(picture(30), "PNG"), Used()),
    FileCase("a name of 255 bytes", "x" * 251 + ".png", encoded(picture(31), "PNG"), Used()),
)
