import json
import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tfpt.config.image_classification import ImageClassificationConfig, ImageModelConfig
from tfpt.evaluation.classification import classification_scores
from tfpt.evaluation.intervals import accuracy_interval, macro_f1_interval
from tfpt.export.model_card import escaped, model_card, without_folders
from tfpt.export.warmup import WARMUP_FILE
from tfpt.task import ServedModel, Signature, TensorInfo

FILES = {"image_bytes": TensorInfo("bytes", (None,), "the bytes of a JPEG each")}
PIXELS = {"pixels": TensorInfo("float32", (None, 96, 96, 3), "RGB levels")}
ANSWERS = {"probabilities": TensorInfo("float32", (None, 3), "of each class")}
SERVED = ServedModel(
    {"serving_default": Signature("files to labels", FILES, ANSWERS, dict)},
    Signature("pixels to probabilities", PIXELS, ANSWERS, dict), "decoding image files",
    ("Turn photos upright.", "Send WebP as PNG."), {})
NAMES = ("birds", "flowers", "insects")
RECORD = {
    "run": "/home/alice/runs/photos-0001", "task": "image_classification", "began": "2026-11-22T14:33:58+00:00",
    "epochs": 10, "best_epoch": 7, "seed": 4, "fingerprints": {"data": "f559fa6cce5b5d4d2fbf"},
    "metadata": {"class_names": list(NAMES), "image_size": 96, "class_counts": [1300, 240, 18]},
    "data": {"path": "/home/alice/my photos", "summary": "/home/alice/my photos/ · 3 classes · 1,808 images: 1,558 "
             "train, 130 validation, 120 test · 2 left out (broken; named in run.json)", "train": 1558,
             "validation": 130, "test": 120, "left_out": [{"path": "/home/alice/a.jpg", "why": "damaged"}] * 2},
    "environment": {"devices": ["CPU:0"]},
    "versions": {"tfpt": "0.1.0", "python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.6"},
    "metrics": {"test": {"loss": 0.31, "accuracy": 0.9, "macro_f1": 0.8, "roc_auc": None}}}
CONFIG = ImageClassificationConfig(model=ImageModelConfig(alpha=0.35, weights="imagenet"))
MATRIX = [[64, 2, 0], [4, 40, 1], [1, 3, 5]]


def scores_of(matrix, names=NAMES):
    """evaluation/test.json of predictions with that confusion matrix."""
    truth, predicted = np.nonzero(matrix)
    counts = np.asarray(matrix)[truth, predicted]
    probabilities = np.full((len(names), len(names)), 0.1 / (len(names) - 1)) + np.eye(len(names)) * 0.8
    scores = classification_scores(probabilities[np.repeat(predicted, counts)], np.repeat(truth, counts), names)
    return json.loads(json.dumps({"run": "/home/alice/runs/photos-0001", "data": "test", **scores}))


def card(**changes):
    return model_card(**{"name": "photos-0001", "version": 3, "format": "saved_model", "record": RECORD,
                         "config": CONFIG, "served": SERVED, "scores": scores_of(MATRIX), **changes})


def section(text, title):
    return re.search(rf"^## {title}\n\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]


def shown(markdown):
    """What a reader sees of a paragraph or heading."""
    inline = next(token for token in MarkdownIt("commonmark").parse(markdown) if token.type == "inline")
    assert {child.type for child in inline.children} <= {"text", "text_special"}, inline.children
    return "".join(child.content for child in inline.children)


def test_what_it_is():
    text = section(card(), "What it is")
    assert "- Task: image classification\n- Network: MobileNetV2, width multiplier 0.35, 96 × 96 pixels\n" in text
    assert "- Classes: 3: birds, flowers, insects\n- Format: TensorFlow SavedModel\n" in text
    assert "- Takes `image_bytes` (the bytes of a JPEG each)\n- Gives `probabilities` (of each class)\n" in text
    assert text.endswith("`signature.json`; `jq -r '.examples[].command // empty' signature.json` prints commands to "
                         "try\n\n")
    assert card().startswith("# Model card: photos-0001, version 3\n")


def test_many_classes_are_counted_and_the_first_named():
    names = [f"class {number}" for number in range(1000)]
    record = {**RECORD, "metadata": {**RECORD["metadata"], "class_names": names}}
    text = section(card(record=record, scores=None), "What it is")
    assert "- Classes: 1,000: class 0, class 1, " in text and "class 19 and 980 more\n" in text


def test_data():
    text = section(card(warmup_examples=8), "Data")
    assert text.startswith("- my photos/ · 3 classes · 1,808 images: 1,558 train, 130 validation, 120 test\n")
    assert "- Training images of a class: 18 to 1,300\n- Left out: 2, named" in text
    assert "`f559fa6cce5b`" in text
    assert f"`{WARMUP_FILE}` holds 8 of the images" in text and "delete the file" in text
    assert "warmup" not in card()


def test_metrics_with_their_intervals():
    text, matrix = section(card(), "Metrics"), np.array(MATRIX)
    low, high = accuracy_interval(int(np.trace(matrix)), int(matrix.sum()))
    assert f"| accuracy | {np.trace(matrix) / matrix.sum():.3f} | {low:.3f}–{high:.3f} |" in text
    low, high = macro_f1_interval(matrix)
    scores = scores_of(MATRIX)
    assert f"| macro F1 | {scores['macro_f1']:.3f} | {low:.3f}–{high:.3f} |" in text
    for title, name in (("loss", "loss"), ("ROC-AUC", "roc_auc"), ("Brier score", "brier_score")):
        low, high = scores["intervals"][name]
        assert f"| {title} | {scores[name]:.3f} | {low:.3f}–{high:.3f} |" in text
    assert f"| expected calibration error | {scores['expected_calibration_error']:.3f} |  |" in text
    assert "Wilson's of accuracies, the percentile bootstrap's" in text
    assert f"Weakest class: insects, F1 {scores['weakest_class']['f1']:.3f} on 9 test images." in text
    assert "run's 120 test images" in text and "accuracy of 0.550 at most" in text
    assert "weighted" not in text and "precision" not in text
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.count("<tr>") == 7 and html.count("<td>") == 18


def test_a_test_without_errors_has_no_interval_of_macro_f1():
    text = section(card(scores=scores_of(np.diag([4, 3, 2]))), "Metrics")
    assert "| accuracy | 1.000 | 0.701–1.000 |" in text and "| macro F1 | 1.000 |  |" in text
    assert "no error to draw again" in text


def test_what_is_not_quite_one_is_not_rounded_to_it():
    assert "| ROC-AUC | over 0.999 |" in card(scores={**scores_of(MATRIX), "roc_auc": 0.99996})


def test_without_test_json_the_headline_stands_without_intervals():
    text = section(card(scores=None), "Metrics")
    assert "| accuracy | 0.900 |  |" in text and "Intervals" not in text and "ROC-AUC" not in text
    none = section(card(scores=None, record={**RECORD, "metrics": {}}, name="it's"), "Metrics")
    assert none.startswith("None: the run has no scores") and """`tfpt evaluate 'it'"'"'s'`""" in none


def test_scores_no_better_than_one_class_are_called_so():
    useless = card(scores=scores_of([[60, 0, 0], [40, 0, 0], [0, 20, 0]]))
    assert section(useless, "Intended use").startswith("None yet")
    assert section(useless, "Known limits").startswith("- **It isn't shown to be better than always answering one")
    assert "which would have an accuracy of 0.500; its interval is 0.412–0.588." in useless
    assert "isn't shown" not in card()


def test_intended_use_names_the_error_rate():
    low, high = accuracy_interval(109, 120)
    text = section(card(), "Intended use")
    assert text.startswith("Telling 3 classes apart, on images") and f"bear {1 - high:.3f} to {1 - low:.3f}" in text
    assert "`tfpt evaluate photos-0001 --data PATH`" in text


def test_limits():
    text = section(card(), "Known limits")
    assert 'there is no "none of these"' in text
    assert "- Of classes with fewer than 30 test images the scores are weak evidence: insects (9).\n" in text
    low, high = accuracy_interval(109, 120)
    assert f"The test is small: 120 images leave an interval of {high - low:.3f}" in text
    assert text.endswith("What clients must do:\n\n- Turn photos upright.\n- Send WebP as PNG.\n\n")
    large = section(card(scores=scores_of(np.array(MATRIX) * 100)), "Known limits")
    assert "is small" not in large and "weak evidence" not in large


def test_when_every_class_is_small_none_is_listed():
    text = section(card(scores=scores_of([[8, 0, 0], [1, 7, 0], [0, 0, 3]])), "Known limits")
    assert "Every class has fewer than 30 test images (3 to 8)" in text and "insects" not in text


def test_a_class_without_test_images():
    text = section(card(scores=scores_of([[40, 0, 0], [1, 39, 0], [0, 0, 0]])), "Known limits")
    assert "insects (0)" in text and "No examples of insects: ROC-AUC is not defined" in text


@pytest.mark.parametrize("format, title", [("onnx", "ONNX"), ("litert int8", "LiteRT int8"), ("litert", "LiteRT")])
def test_formats_that_hold_the_network_alone(format, title):
    text = card(format=format)
    assert f"- Format: {title}\n- Takes `pixels` (RGB levels)\n" in text
    assert "as this format holds the network alone: decoding image files.\n" in text and "upright" not in text


def test_checks_as_they_were_told():
    text = section(card(checks=["fresh process: 181 of 181 same label", "worst: /home/alice/a_b.png"]),
                   "Checks at export")
    assert text == "- fresh process: 181 of 181 same label\n- worst: a\\_b.png\n\n"
    assert section(card(), "Checks at export") == "None was made.\n\n"


@pytest.mark.parametrize("weights, expected", [
    ("imagenet", "keras.applications for MobileNetV2, trained on ImageNet, whose terms of access"),
    ("bundled", "Apache-2.0; they learnt from Fashion-MNIST, MIT (Expat), © 2017 Zalando SE."),
    ("none", "it started from random ones and learnt from its training data alone."),
    ("/home/alice/back_bone.keras", "started from: back\\_bone.keras. Their licence"),
    ("runs/photos-0000", "started from: photos-0000. Their licence")])
def test_licence(weights, expected):
    config = replace(CONFIG, model=replace(CONFIG.model, weights=weights))
    text = section(card(config=config), "Licence")
    assert expected in text and text.endswith("is not known to tfpt. **Fill it in here.**\n\n")


def test_versions():
    assert section(card(), "Versions") == (
        "- Run photos-0001, begun 2026-11-22, seed 4, best epoch 7 of 10\n"
        "- Trained with tfpt 0.1.0, Python 3.11.7, TensorFlow 2.21.0, Keras 3.15.1, NumPy 2.4.6\n"
        "- Trained on CPU:0\n")


def test_no_absolute_path_appears():
    config = replace(CONFIG, model=replace(CONFIG.model, weights="/home/alice/w.keras"))
    text = card(config=config, checks=["as /home/alice/x.png"], warmup_examples=8)
    assert "alice" not in text and "home" not in text


def test_another_tasks_record_and_config():
    @dataclass(frozen=True)
    class Model:
        units: int = 64

    @dataclass(frozen=True)
    class Config:
        model: Model = Model()

    record = {"task": "text_generation", "seed": 0, "metadata": {"vocabulary": 800},
              "data": {"train": 900, "validation": 50, "test": 50}, "metrics": {"test": {"loss": 2, "perplexity": 7.4}}}
    text = card(record=record, config=Config(), scores=None)
    assert "Task: text generation" in text and "Split: 900 train, 50 validation, 50 test" in text
    assert "| loss | 2.000 |  |" in text and "| perplexity | 7.400 |  |" in text and "50 test examples" in text
    assert "classes" not in section(text, "What it is") and "images" not in text and "Weights" not in text


def test_a_record_that_lacks_nearly_all():
    text = card(record={"task": "image_classification"}, scores=None)
    assert section(text, "Data") == "Not recorded.\n\n" and section(text, "Versions") == "- Run photos-0001\n"


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text.isprintable() and text.strip()))
def test_escaped_text_is_shown_as_it_is(text):
    assert shown(escaped(text)) == text.strip()
    assert shown(f"## {escaped(text)} ##") == text.strip()


@pytest.mark.parametrize("text", ["# a", "- a", "+ a", "1. a", "12) a", "=== a", "<script>alert(1)</script>", "&amp;",
                                  "[a](http://b)", "a|b", "**a**", "__a__", "`a`", "~~a~~", "a\\", "$x$", "![a](b)"])
def test_what_markdown_would_take_for_its_own(text):
    assert shown(escaped(text)) == text
    renderer = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    assert "<td>c</td>" in renderer.render(f"| a | b |\n| --- | --- |\n| {escaped(text)} | c |")


def test_control_characters_are_spelt_out():
    assert shown(escaped("a\nb\x1b[0m\udc80")) == r"a\nb\x1b[0m\udc80"


def test_names_cannot_break_out_of_the_card():
    names = ("a | b\n## c", "<img src=x>", "[x](y)" + "z" * 100)
    record = {**RECORD, "metadata": {**RECORD["metadata"], "class_names": list(names)}}
    html = MarkdownIt("commonmark").enable("table").render(card(record=record, scores=scores_of(MATRIX, names)))
    assert "<img" not in html and "<a " not in html and html.count("<h2>") == 8 and html.count("<td>") == 18
    assert "a | b\\n## c, &lt;img src=x&gt;, [x](y)" + "z" * 53 + "…</li>" in html


@pytest.mark.parametrize("text, path, expected", [
    ("/data/photos/ · 7 classes", "", "photos/ · 7 classes"),
    ("/data/my photos/ · 7 classes", "/data/my photos", "my photos/ · 7 classes"),
    ("~/photos/a.csv", "", "a.csv"),
    ("photos/train/ · 7", "photos/train", "photos/train/ · 7"),
    ("181/181 same, 4e-7 of a/b", "", "181/181 same, 4e-7 of a/b"),
    ("/ and / or", "/", "/ and / or")])
def test_folders_are_left_out(text, path, expected):
    assert without_folders(text, path) == expected
