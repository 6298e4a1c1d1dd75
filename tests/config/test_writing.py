from tfpt.config.image_classification import ImageClassificationConfig
from tfpt.config.shared import FreezeConfig, PhaseConfig
from tfpt.config.writing import config_difference, to_dict, to_yaml


def test_tuples_become_lists_at_every_depth():
    written = to_dict(FreezeConfig(phases=(PhaseConfig(), PhaseConfig(from_epoch=3))))
    assert [phase["from_epoch"] for phase in written["phases"]] == [1, 3]
    assert isinstance(written["phases"], list)


def test_yaml_keeps_the_order_of_the_config():
    text = to_yaml(ImageClassificationConfig())
    sections = [line[:-1] for line in text.splitlines() if not line.startswith(" ")]
    assert sections == ["data", "model", "freeze", "augment", "loss", "optimizer", "train", "cache", "tensorboard"]


def test_a_whole_number_equals_its_float_in_a_difference():
    assert config_difference(FreezeConfig(backbone_rate=1), FreezeConfig(backbone_rate=1.0)) == []
