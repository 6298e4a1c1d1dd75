import pytest

from tests.models.conftest import SIZE, small_classifier
from tfpt.config.image_classification import ImageDataConfig, ImageModelConfig
from tfpt.errors import ConfigError, WeightsError
from tfpt.models import bundled
from tfpt.models.backbone import extract_backbone
from tfpt.models.pretrained import backbone_description, load_backbone_weights, resolve_weights

METADATA = {"class_names": ["cat", "dog", "owl"], "image_size": SIZE}


@pytest.fixture
def asset(tmp_path, monkeypatch, trained):
    """A bundled file of small random weights, described as being of alpha 0.35 at 96 pixels."""
    path = tmp_path / "assets" / "weights.npz"
    monkeypatch.setattr(bundled, "ASSET", path)
    bundled.save_bundled(trained, path, backbone_description(ImageModelConfig(alpha=0.35), 96, METADATA))
    return path


def resolved(data=ImageDataConfig(), **model):
    model, data = resolve_weights(ImageModelConfig(**model), data)
    return model.weights, model.alpha, data.image_size


def test_nulls_follow_the_data_and_the_weights(asset):
    photos = ImageDataConfig(path="photos")
    assert resolved() == ("bundled", 0.35, 96)
    assert resolved(weights="none") == ("none", 1.0, 224)
    assert resolved(photos) == ("imagenet", 1.0, 224)
    assert resolved(photos, weights="bundled") == ("bundled", 0.35, 96)
    assert resolved(ImageDataConfig(image_size=48), weights="imagenet", alpha=0.5) == ("imagenet", 0.5, 48)


@pytest.mark.parametrize("error, message, data, model", [
    (ConfigError, "at least 32", {"image_size": 20}, {"weights": "none"}),
    (ConfigError, "Did you mean MobileNetV2", {}, {"backbone": "MobilNetV2"}),
    (ConfigError, "names nothing here", {}, {"weights": "imagnet"}),
    (ConfigError, "Use --alpha 0.35", {}, {"weights": "imagenet", "alpha": 0.3}),
    (WeightsError, "--alpha 0.35", {}, {"weights": "bundled", "alpha": 1.0})])
def test_what_is_refused_before_tensorflow_starts(asset, error, message, data, model):
    with pytest.raises(error, match=message):
        resolve_weights(ImageModelConfig(**model), ImageDataConfig(**data))


def test_weights_of_another_family(tmp_path):
    (tmp_path / "backbone.keras").touch()
    (tmp_path / "backbone.json").write_text('{"backbone": "ResNet50", "alpha": null}')
    with pytest.raises(WeightsError, match="are of ResNet50.*--backbone ResNet50"):
        resolve_weights(ImageModelConfig(weights=str(tmp_path / "backbone.keras")), ImageDataConfig())


def difference(model, other) -> float:
    pairs = zip(extract_backbone(model).weights, extract_backbone(other).weights, strict=True)
    return max(float(abs(weight.numpy() - expected.numpy()).max()) for weight, expected in pairs)


def load(model, weights):
    load_backbone_weights(model, ImageModelConfig(weights=str(weights), alpha=0.35), SIZE)


def test_bundled_weights_survive_to_float16(asset, trained, fresh):
    load(fresh, "bundled")
    assert 0 < difference(fresh, trained) < 1e-3


def test_a_bundled_file_that_changed_is_refused(asset, fresh):
    content = bytearray(asset.read_bytes())
    content[len(content) // 2] ^= 1
    asset.write_bytes(content)
    with pytest.raises(WeightsError, match="sha256"):
        load(fresh, "bundled")


def test_none_leaves_the_model_as_it_is(fresh):
    before = [weight.numpy() for weight in fresh.weights]
    load(fresh, "none")
    assert all((weight.numpy() == then).all() for weight, then in zip(fresh.weights, before, strict=True))


@pytest.mark.parametrize("name", ["model.keras", "backbone.keras", "backbone.weights.h5"])
def test_files_give_the_weights_exactly(tmp_path, trained, fresh, name):
    source = trained if name.startswith("model") else extract_backbone(trained)
    path = tmp_path / name
    source.save(path) if name.endswith(".keras") else source.save_weights(path)
    load(fresh, path)
    assert difference(fresh, trained) == 0


@pytest.mark.parametrize("name", ["backbone.keras", "backbone.weights.h5"])
def test_files_of_another_alpha_say_which(tmp_path, fresh, name):
    source = extract_backbone(small_classifier(0, alpha=0.5))
    path = tmp_path / name
    source.save(path) if name.endswith(".keras") else source.save_weights(path)
    with pytest.raises(WeightsError, match="MobileNetV2 with alpha 0.35, .*use --alpha 0.5"):
        load(fresh, path)


def test_the_description_is_what_the_next_run_needs():
    description = backbone_description(ImageModelConfig(alpha=0.35, weights="imagenet"), SIZE, METADATA)
    assert description == {
        "backbone": "MobileNetV2", "alpha": 0.35, "image_size": SIZE, "layers": 153,
        "preprocessing": {"channels": "RGB", "scale": 1 / 127.5, "offset": -1.0},
        "trained_on": {"class_names": ["cat", "dog", "owl"], "started_from": "imagenet"}}
