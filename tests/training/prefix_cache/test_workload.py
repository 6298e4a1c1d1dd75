"""What rules the cache out before any layer is looked at, in the words that the plan shows."""

from types import SimpleNamespace

import pytest

from tfpt.config.image_classification import ImageClassificationConfig
from tfpt.config.loading import with_values
from tfpt.tasks.image_classification import TASK
from tfpt.training.prefix_cache.workload import cache_workload

SPLITS = SimpleNamespace(train=range(7), validation=range(3))
BOTH = {"augment.randaugment.operations": 2, "augment.erasing": 0.5}


def workload(settings):
    return cache_workload(TASK, with_values(ImageClassificationConfig(), settings, "here"), SPLITS)


@pytest.mark.parametrize("settings, views", [({}, 2), (BOTH, 4), ({**BOTH, "augment.views": 9}, 9)])
def test_views_can_be_kept(settings, views):
    found = workload(settings)
    assert (found.train_examples, found.validation_examples, found.views) == (7, 3, views)


@pytest.mark.parametrize("settings, words", [
    ({"augment.mixup": 0.2}, "augment.mixup makes new images out of pairs in each epoch"),
    ({"augment.cutmix": 1.0, "augment.views": 0}, "augment.cutmix makes new images out of pairs in each epoch"),
    ({"augment.mixup": 0.2, "augment.cutmix": 1.0, **BOTH},
     "augment.mixup and augment.cutmix make new images out of pairs in each epoch"),
    ({**BOTH, "augment.views": 0}, "augment.views 0 makes a fresh view of every image in each epoch"),
    ({"augment.mixup": 0.2, "cache.mode": "off"}, "off: frozen layers run for every batch")])
def test_what_makes_new_images_in_each_epoch_is_named(settings, words):
    assert workload(settings) == words
