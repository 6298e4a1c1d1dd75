"""One image file as the file system tells of it, without a look into it."""

import errno
import os
import stat
import time
from dataclasses import dataclass

from tfpt.data.file_check import CheckedFile, FileRequest
from tfpt.data.known_files import KnownFiles

MAX_FILE_BYTES = 1 << 30
TOO_LARGE = "larger than 1 GiB"


@dataclass(frozen=True)
class FoundFile:
    """A file to be checked; or known to be good (``known_hash``); or one that can't be opened at all.

    ``converted``: it is read by way of a PNG in the cache, which, unlike the user's data, may have been damaged.
    """

    path: str
    status: os.stat_result | None = None
    looked_at: float = 0.0
    known_hash: str = ""
    converted: bool = False
    broken_because: str | None = None

    @property
    def may_be_whole(self) -> bool:
        """Whether there is something to decode."""
        return self.broken_because is None

    @property
    def is_new(self) -> bool:
        """Whether it has to be decoded before it may be used."""
        return self.may_be_whole and (self.converted or not self.known_hash)

    @property
    def request(self) -> FileRequest:
        """What the check is asked."""
        return FileRequest(self.path, self.known_hash, self.converted)

    @property
    def size_bytes(self) -> int:
        """Of the file, 0 if it isn't there."""
        return 0 if self.status is None else self.status.st_size

    def unchecked(self) -> CheckedFile:
        """What is known without a check."""
        return CheckedFile(self.known_hash, self.converted, self.broken_because)


def find_file(path: str, known: KnownFiles) -> FoundFile:
    """Look at a file from outside."""
    looked_at = time.time()
    try:
        status = os.stat(path)
    except OSError as error:
        return FoundFile(path, broken_because=_why_not_there(path, error))
    if not stat.S_ISREG(status.st_mode):
        return FoundFile(path, broken_because="not a regular file")
    if status.st_size > MAX_FILE_BYTES:
        return FoundFile(path, broken_because=TOO_LARGE)
    content_hash, converted = known.find(path, status) or ("", False)
    return FoundFile(path, status, looked_at, content_hash, converted)


def _why_not_there(path: str, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "a link that leads back to itself"
    if os.path.islink(path) and not os.path.exists(path):
        return "a link to a file that isn't there"
    return f"can't be read: {error.strerror or error}"
