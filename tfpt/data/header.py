"""What an image's header tells, before anything is decoded: is it an image, how large, and who reads it right."""

import struct
from io import BytesIO

from PIL import Image, ImageFile, UnidentifiedImageError
# Imported here, before workers are forked: Pillow would otherwise load them in each, with the first such file.
from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin  # noqa: F401
from PIL import TiffImagePlugin, WebPImagePlugin  # noqa: F401

# Pillow's own limit of what may be an image rather than an attack on memory.
MAX_PIXELS = 89_478_485
# MPO, several JPEGs in one file, opens as JPEG and then names itself.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
_ORIENTATION = 0x0112
# What a PNG with EXIF or XMP holds in clear; asking Pillow for the EXIF of a PNG decodes the whole image.
_PNG_ORIENTATION_MARKS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")


class BrokenImage(Exception):
    """An image that can't be used; the text is the short reason that the user sees."""


def open_header(contents: bytes) -> ImageFile.ImageFile:
    """Open an image without decoding it.

    Raises:
        BrokenImage: no bytes, not one of the known formats, a damaged header, or one that says more than
            ``MAX_PIXELS`` pixels.
        MemoryError: there is not enough for it.
    """
    if not contents:
        raise BrokenImage("empty file (zero bytes)")
    too_large = BrokenImage(f"its header says more than {MAX_PIXELS:,} pixels")
    try:
        image = Image.open(BytesIO(contents), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise too_large from error
    except UnidentifiedImageError as error:
        raise BrokenImage("not an image: its content is none of JPEG, PNG, BMP, GIF, WebP, TIFF") from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged header can raise almost anything in a parser
        raise BrokenImage("damaged: its header can't be read") from error
    if image.width * image.height > MAX_PIXELS:
        raise too_large
    return image


def graph_reads(contents: bytes, image: ImageFile.ImageFile) -> bool:
    """Whether ``decode_image`` gives the pixels that Pillow gives, judged from the header.

    True for upright JPEG in RGB or greyscale, PNG with 8 bits in RGB or greyscale and no transparency, and BMP with
    24 bits. The rest (CMYK, 16 bits, palettes, alpha, rotation by EXIF, GIF, WebP, TIFF…) the graph decodes to other
    pixels, to several frames, or not at all.
    """
    if image.format == "JPEG":
        return image.mode in ("RGB", "L") and _is_upright(image)
    if image.format == "PNG":
        plain = _raw_mode(image) in ("RGB", "L") and "transparency" not in image.info
        animated = getattr(image, "is_animated", False)
        marked = any(mark in contents for mark in _PNG_ORIENTATION_MARKS)
        return plain and not animated and not (marked and not _is_upright(image))
    if image.format == "BMP":
        # Headers below 40 bytes (OS/2) hold 16-bit sizes, which the graph reads as 32-bit ones.
        (header_bytes,) = struct.unpack("<I", contents[14:18])
        return image.mode == "RGB" and _raw_mode(image) == "BGR" and header_bytes >= 40
    return False


def _raw_mode(image: ImageFile.ImageFile) -> str | None:
    """How the pixels are stored, such as ``RGB`` or ``L;4``."""
    if len(image.tile) != 1:
        return None
    arguments = image.tile[0][3]
    return arguments[0] if isinstance(arguments, tuple) else arguments


def _is_upright(image: ImageFile.ImageFile) -> bool:
    try:
        return image.getexif().get(_ORIENTATION, 1) not in range(2, 9)
    except MemoryError:
        raise
    except Exception:  # damaged EXIF tells nothing
        return True
