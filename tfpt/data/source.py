"""Indexed images: what every later step knows of a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

import numpy as np
import tensorflow as tf
from PIL import Image

from tfpt.data.decode import decode_image
from tfpt.data.decode_files import decode_files
from tfpt.data.encoded_files import EncodedFiles, EncodedImages
from tfpt.data.held_pixels import HeldPixels
from tfpt.data.normalise import normalised_path
from tfpt.data.tfds.record_images import RecordImages
from tfpt.errors import DataError


@dataclass(frozen=True, eq=False)
class ImageSource:
    """Images with their labels, as files or records, as pixels in memory, or as both.

    Attributes:
        labels: int32 ``[n]``, an index into the class names, or -1 where it is not known.
        names: what the user knows each image as: its path, or such as ``train-images[17]``.
        hashes: sha256 of each image's stored bytes, in hexadecimal.
        paths: files that ``decode_image`` reads as Pillow does: the original, or the PNG made from it.
        records: the same, in a data set of TensorFlow Datasets.
        pixels: uint8 ``[n, height, width, 1 or 3]``, decoded once and kept.
        hold_size: the side at which the images may be decoded and kept, as all of them fit into memory.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    hashes: tuple[str, ...]
    paths: tuple[str, ...] | None = None
    records: RecordImages | None = None
    pixels: HeldPixels | None = None
    hold_size: int | None = None

    def __post_init__(self) -> None:
        columns = {"names": self.names, "hashes": self.hashes, "paths": self.paths, "records": self.records,
                   "pixels": self.pixels}
        if self.paths is None and self.records is None and self.pixels is None:
            raise ValueError("expected paths, records or pixels, got none of them")
        for column, values in columns.items():
            if values is not None and len(values) != len(self.labels):
                raise ValueError(f"expected {len(self.labels)} {column}, as many as labels, got {len(values)}")

    def __len__(self) -> int:
        return len(self.labels)

    def load(self, index: int) -> np.ndarray:
        """The image, uint8 ``[height, width, 3]``: at the held size where pixels are held, else as stored."""
        if self.pixels is not None:
            image = self.pixels[index]
            return image if image.shape[-1] == 3 else np.repeat(image, 3, axis=-1)
        return decode_image(tf.constant(self.stored.read(index))).numpy()

    def encoded(self, index: int) -> bytes:
        """An image's bytes that ``decode_image`` reads as Pillow does: the original, or the PNG made from it.

        Raises:
            DataError: they can't be read any more.
        """
        if self.paths is None and self.records is None:
            buffer = BytesIO()
            Image.fromarray(self.load(index)).save(buffer, "PNG", compress_level=1)
            return buffer.getvalue()
        try:
            return self.stored.read(index)
        except OSError as error:
            raise DataError(f"{self.names[index]} was there when the data were read, but can't be read now: "
                            f"{error.strerror or error}.") from error

    @cached_property
    def stored(self) -> EncodedImages:
        """The images as they are stored, files or records: not for a source that has pixels alone."""
        if self.records is not None:
            return self.records
        assert self.paths is not None
        return EncodedFiles(self.paths)

    @property
    def converted(self) -> int:
        """How many images are read from a PNG that was made from what is stored."""
        if self.records is not None:
            return self.records.converted
        paths = self.paths or ()
        return sum(path == str(normalised_path(known)) for path, known in zip(paths, self.hashes, strict=bool(paths)))

    def content_hash(self, index: int) -> str:
        """sha256 of the stored bytes, in hexadecimal."""
        return self.hashes[index]

    @cached_property
    def example_ids(self) -> np.ndarray:
        """int64 ``[n]``, non-negative, a function of the content alone: the same image has the same id everywhere."""
        heads = b"".join(bytes.fromhex(content_hash[:16]) for content_hash in self.hashes)
        return (np.frombuffer(heads, dtype=">u8") >> np.uint64(1)).astype(np.int64)

    def is_held(self, wanted: int) -> bool:
        """Whether ``wanted`` of the images had better be taken from memory, as ``held``, than from their files.

        They are decoded and kept if that is half of them or more.
        """
        at_hand = self.pixels is not None or "held" in self.__dict__
        return at_hand or (self.hold_size is not None and 2 * wanted >= len(self))

    @cached_property
    def held(self) -> HeldPixels:
        """``pixels``, or those of the files, decoded now.

        Raises:
            DataError: a file was removed or damaged after it was checked.
        """
        if self.pixels is not None:
            return self.pixels
        decoded, pixels = decode_files(self.stored, self.hold_size)
        if pixels is None or not decoded.all():
            raise DataError(f"{self.names[int(np.argmin(decoded))]} was whole when the data was checked, and can't "
                            "be decoded now. `tfpt cache clear notes`, and start again: every file is then checked.")
        return HeldPixels(pixels)

    def subset(self, indices: np.ndarray | Sequence[int]) -> "ImageSource":
        """The images at ``indices``, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        return ImageSource(
            labels=self.labels[chosen],
            names=tuple(self.names[i] for i in chosen),
            hashes=tuple(self.hashes[i] for i in chosen),
            paths=None if self.paths is None else tuple(self.paths[i] for i in chosen),
            records=None if self.records is None else self.records.subset(chosen),
            pixels=None if self.pixels is None else self.pixels.subset(chosen), hold_size=self.hold_size)
