"""Preparing a data set from files that the user has fetched, as ``imagenet2012`` has to be. Nothing is downloaded."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

from tfpt.data.listing import printable
from tfpt.data.tfds.missing import instructions, manual_folder, one_line
from tfpt.data.tfds.reference import Reference
from tfpt.errors import DataError


def prepare_offline(builder_class: Any, reference: Reference, data_dir: str) -> bool:
    """Prepare a data set if its files stand in ``downloads/manual`` of ``data_dir``; False if one doesn't.

    TFDS looks there for files that it can't download, and, by their names, for those that it can.

    Raises:
        DataError: the files are there, but it can't be prepared from them.
    """
    import tensorflow_datasets as tfds

    folder = manual_folder(data_dir)
    present = os.listdir(folder) if os.path.isdir(folder) else []
    fetchable = {info.filename for info in (builder_class.url_infos or {}).values()}
    if not (present if builder_class.MANUAL_DOWNLOAD_INSTRUCTIONS else fetchable.intersection(present)):
        return False
    downloads = _NoDownloads()
    try:
        builder = builder_class(data_dir=data_dir, config=reference.config, version=reference.version)
        print(f"preparing {reference.name} from {printable(folder)}, once; it will be about as large as its files",
              file=sys.stderr)
        with _instead_of_downloads(downloads), contextlib.redirect_stdout(io.StringIO()):  # what it says isn't so here
            if not sys.stderr.isatty():
                tfds.disable_progress_bar()
            builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    except Exception as error:  # each data set's own code runs here
        if downloads.wanted is not None:
            return False
        raise DataError(f"{reference.name} can't be prepared from {printable(folder)}: "
                        f"{one_line(error)}. Put whole files there, and start again. "
                        f"{instructions(builder_class)}".rstrip()) from error
    return True


class _NoDownloads:
    """Stands where TFDS's downloader does: it notes what is ``wanted``, and fails."""

    def __init__(self) -> None:
        self.wanted: str | None = None

    def download(self, url: str, *_: Any, **__: Any) -> Any:
        self.wanted = url
        raise OSError(f"{url} isn't here, and tfpt downloads nothing")

    @contextlib.contextmanager
    def tqdm(self) -> Iterator[None]:
        yield

    def increase_tqdm(self, *_: Any) -> None:
        """A file that is there already: nothing to show."""


@contextlib.contextmanager
def _instead_of_downloads(downloads: _NoDownloads) -> Iterator[None]:
    from tensorflow_datasets.core.download import download_manager

    real = download_manager.get_downloader
    download_manager.get_downloader = lambda *_, **__: downloads
    try:
        yield
    finally:
        download_manager.get_downloader = real
