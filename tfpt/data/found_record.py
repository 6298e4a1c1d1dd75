"""One image in a record of a data set of TensorFlow Datasets, as the check is asked about it."""

from dataclasses import dataclass

from tfpt.data.file_check import CheckedFile, FileRequest
from tfpt.data.found_file import MAX_FILE_BYTES, TOO_LARGE
from tfpt.data.tfds.record_images import RecordImages


@dataclass(frozen=True)
class FoundRecord:
    """What ``FoundFile`` is to a file. ``index``: of the image among ``records``."""

    records: RecordImages
    index: int

    @property
    def size_bytes(self) -> int:
        """Of the encoded image."""
        return self.records.stored_bytes(self.index)

    @property
    def may_be_whole(self) -> bool:
        """Whether there is something to decode."""
        return self.size_bytes <= MAX_FILE_BYTES

    @property
    def is_new(self) -> bool:
        """Whether it has to be decoded before it may be used: not known, or converted, which may have been damaged."""
        known = self.records.known(self.index)
        return self.may_be_whole and (known is None or known[1])

    @property
    def request(self) -> FileRequest:
        """What the check is asked; the record is read for it. Raises DataError: it can't be."""
        content_hash, converted = self.records.known(self.index) or ("", False)
        return FileRequest("", content_hash, converted, self.records.stored(self.index))

    def unchecked(self) -> CheckedFile:
        """What is known without a check."""
        content_hash, converted = self.records.known(self.index) or ("", False)
        return CheckedFile(content_hash, converted, None if self.may_be_whole else TOO_LARGE)


class FoundRecords:
    """All of ``records``, each made when it is asked for."""

    def __init__(self, records: RecordImages):
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> FoundRecord:
        if not 0 <= index < len(self):
            raise IndexError(index)  # which ends an iteration
        return FoundRecord(self._records, index)
