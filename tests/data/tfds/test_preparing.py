import hashlib
import sys

import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import checksums, download_manager

from tests.data.image_files import encoded, photo
from tests.data.tfds.prepared_sets import write_imagenet_tars
from tfpt.data.image_splits import image_splits
from tfpt.config.image_classification import ImageDataConfig
from tfpt.data.tfds.layout import read_tfds
from tfpt.data.tfds.preparing import prepare_offline
from tfpt.data.tfds.reference import read_reference
from tfpt.errors import DataError


IMAGE = encoded(photo(0), "PNG")


class Fetched(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A data set that would be downloaded: two files of known names."""

    VERSION = tfds.core.Version("1.0.0")
    URLS = {f"https://example.org/files/{name}": name for name in ("a.png", "b.png")}
    url_infos = {url: checksums.UrlInfo(size=len(IMAGE), checksum=hashlib.sha256(IMAGE).hexdigest(), filename=name)
                 for url, name in URLS.items()}

    def _info(self):
        features = {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(num_classes=2)}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(dl_manager.download(list(self.URLS)))}

    def _generate_examples(self, paths):
        for number, path in enumerate(paths):
            yield number, {"image": path.read_bytes(), "label": number}


def prepared(folder, builder_class=Fetched) -> bool:
    return prepare_offline(builder_class, read_reference(f"tfds:{builder_class.name}"), str(folder))


@pytest.fixture
def manual(tmp_path):
    folder = tmp_path / "downloads" / "manual"
    folder.mkdir(parents=True)
    return folder


def test_imagenet_is_prepared_from_its_archives_once(tmp_path, capfd):
    images = write_imagenet_tars(tmp_path / "downloads" / "manual")
    listing = read_tfds("tfds:imagenet2012", str(tmp_path))
    told = capfd.readouterr()
    assert told.out == "" and told.err.startswith(
        f"preparing imagenet2012 from {tmp_path}/downloads/manual, once; it will be about as large as its files\n")
    assert listing.title == "tfds:imagenet2012:5.1.0" and listing.class_names == tuple(sorted(images))
    train = listing.parts["train"]
    found = {listing.class_names[label]: set() for label in train.labels}
    for index, label in enumerate(train.labels):
        found[listing.class_names[label]].add(train.records.stored(index))
    assert found == {label: set(contents) for label, contents in images.items()}  # not encoded again
    validation = listing.parts["validation"]
    assert len(validation) == 3 and sorted(validation.labels) == [0, 1, 2]
    assert set(listing.parts) == {"train", "validation"}
    again = read_tfds("tfds:imagenet2012@train[:50%]", str(tmp_path))
    assert len(again.parts["all"]) == 6 and capfd.readouterr().err == ""


def test_imagenet_trains_as_other_data_do(tmp_path):
    write_imagenet_tars(tmp_path / "downloads" / "manual", per_class=6)
    splits = image_splits(ImageDataConfig(path="tfds:imagenet2012", data_dir=str(tmp_path), image_size=16), seed=0)
    assert splits.summary == "tfds:imagenet2012:5.1.0 · 3 classes · 21 images: 15 train, 3 validation, 3 test"


def test_archives_that_are_cut_or_missing_are_told(tmp_path, manual):
    write_imagenet_tars(tmp_path / "whole")
    for name in ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"):
        content = (tmp_path / "whole" / name).read_bytes()
        (manual / name).write_bytes(content[:len(content) // 2] if "train" in name else content)
    with pytest.raises(DataError, match=f"^imagenet2012 can't be prepared from {manual}: .*Put whole files there"):
        read_tfds("tfds:imagenet2012", str(tmp_path))
    (manual / "ILSVRC2012_img_val.tar").unlink()
    with pytest.raises(DataError, match="ILSVRC2012_img_val.tar.*TensorFlow Datasets says: manual_dir should contain"):
        read_tfds("tfds:imagenet2012", str(tmp_path))
    assert not list((tmp_path / "imagenet2012").glob("*"))  # nothing half done is left


def test_files_that_tfds_would_download_are_taken_by_their_names(tmp_path, manual):
    for name in ("a.png", "b.png"):
        (manual / name).write_bytes(IMAGE)
    assert prepared(tmp_path)
    assert sorted(path.name for path in (tmp_path / "fetched").iterdir()) == ["1.0.0"]


@pytest.mark.parametrize("present", [(), ("a.png",), ("other.png",)])
def test_nothing_is_downloaded_for_those_that_are_missing(tmp_path, manual, present):
    asked = []
    sys.addaudithook(lambda event, _: asked.append(event) if event in ("socket.getaddrinfo", "socket.connect") else 0)
    for name in present:
        (manual / name).write_bytes(IMAGE)
    real = download_manager.get_downloader
    assert not prepared(tmp_path)
    assert not asked and download_manager.get_downloader is real
    assert not list(tmp_path.glob("fetched/*"))


def test_a_file_with_other_contents_than_tfds_knows_is_refused(tmp_path, manual):
    for name in ("a.png", "b.png"):
        (manual / name).write_bytes(encoded(photo(1), "PNG"))
    with pytest.raises(DataError, match="fetched can't be prepared from .*checksum"):
        prepared(tmp_path)
