import dataclasses
import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tfpt.export.parity import LABEL_MARGIN, PROBABILITY_TOLERANCE, compare, short

NAMES, CLASSES = ["a.jpg", "b.jpg", "c.jpg"], ["cat", "dog", "owl"]
TRAINED = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.40005, 0.2, 0.39995]])


def against(trained=TRAINED, **answers):
    return compare({"probabilities": trained}, answers, CLASSES, NAMES)


def changed(row, values):
    served = TRAINED.copy()
    served[row] = values
    return served


def labels_of(probabilities, class_names=CLASSES):
    return np.array([[class_names[index].encode() for index in np.argsort(-row, kind="stable")]
                     for row in probabilities], object)


def test_the_same_answers_pass():
    parity = against(probabilities=TRAINED.astype(np.float32), labels=labels_of(TRAINED), valid=np.ones(3, bool))
    assert parity.passed and parity.failure() == "" and parity.problem is None
    assert (parity.examples, parity.same_label, parity.compared, parity.differing_labels) == (3, 3, 2, 0)
    assert parity.report() == "3 of 3 same label, largest difference 2e-8"
    exact = against(probabilities=TRAINED)
    assert exact.worst is None and exact.report() == "3 of 3 same label, largest difference 0"


def test_another_label_among_two_alike_passes_and_is_told():
    served = changed(2, [0.39999, 0.2, 0.40001])
    parity = against(probabilities=served, labels=labels_of(served))
    assert parity.passed and parity.report() == "2 of 3 same label, 1 too close to call, largest difference 6e-5"


def test_another_probability_fails_and_names_the_worst():
    parity = against(probabilities=changed(1, [0.1999, 0.7002, 0.0999]))
    assert not parity.passed and parity.same_label == 3
    assert parity.failure() == (
        "Expected the export to answer with the trained model's labels, and with its probabilities within 1e-4, but "
        "found, of 3 examples, a largest difference of 2e-4. The worst is b.jpg: the trained model says dog (0.7000), "
        "the export dog (0.7002); the probability of dog differs by 2e-4.")


def test_another_label_fails_and_is_worse_than_another_probability():
    served = changed(0, TRAINED[1])
    served[1] = [0.0, 1.0, 0.0]
    parity = against(probabilities=served)
    assert parity.differing_labels == 1 and parity.worst.name == "a.jpg"
    assert "examples, 1 with another label, a largest difference of 0.7." in parity.failure()
    assert parity.failure().endswith(
        "The worst is a.jpg: the trained model says cat (0.9000), the export dog (0.7000); the probability of cat "
        "differs by 0.7.")


def test_labels_count_even_where_probabilities_agree():
    parity = against(probabilities=TRAINED, labels=labels_of(TRAINED, ["dog", "cat", "owl"]))
    assert not parity.passed and parity.differing_labels == 2 and parity.largest_difference == 0
    assert "a.jpg: the trained model says cat (0.9000), the export dog (0.1000)" in parity.failure()


def test_an_example_that_the_export_cannot_read_fails():
    parity = against(probabilities=changed(1, 0.0), labels=np.array([[b"cat"], [b""], [b"cat"]], object),
                     valid=np.array([True, False, True]))
    assert not parity.passed and parity.unreadable == 1 and parity.largest_difference == 0
    assert parity.report() == "2 of 3 same label, 1 unreadable, largest difference 0"
    assert "The worst is b.jpg: the trained model says dog (0.7000), the export can't read it." in parity.failure()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_fails(bad):
    parity = against(probabilities=changed(0, [0.9, 0.1, bad]))
    assert not parity.passed and parity.not_finite == 1 and np.isfinite(parity.largest_difference)
    assert "a.jpg: the trained model says cat (0.9000), the export answers with what is not a number" \
        in parity.failure()
    itself = against(changed(0, [0.9, 0.1, bad]), probabilities=TRAINED)
    assert "the trained model itself answers a.jpg" in itself.failure()


@pytest.mark.parametrize("answers, problem", [
    ({"scores": TRAINED}, "it gives scores, but no probabilities"),
    ({}, "it gives nothing, but no probabilities"),
    ({"probabilities": TRAINED[:2]}, r"shape \[2, 3\], but the trained model's have \[3, 3\]"),
    ({"probabilities": TRAINED[:, :2]}, r"shape \[3, 2\]"),
    ({"probabilities": labels_of(TRAINED)}, "no numbers of shape"),
    ({"probabilities": TRAINED, "labels": labels_of(TRAINED)[:2]}, r"labels have the shape \[2, 3\] for 3 examples"),
    ({"probabilities": TRAINED, "labels": np.empty((3, 0), object)}, r"labels have the shape \[3, 0\]"),
    ({"probabilities": TRAINED, "valid": np.ones((3, 1), bool)}, r"valid has the shape \[3, 1\]")])
def test_what_cannot_be_compared_fails(answers, problem):
    parity = against(**answers)
    assert not parity.passed
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(parity.failure())
    assert parity.report().startswith("not comparable: ")


def test_no_examples_prove_nothing():
    parity = compare({"probabilities": np.empty((0, 3))}, {"probabilities": np.empty((0, 3))}, CLASSES, [])
    assert not parity.passed and "there are no examples" in parity.failure()


def test_what_is_expected_has_to_fit():
    with pytest.raises(ValueError, match=r"expected probabilities \[3, 2\]"):
        compare({"probabilities": TRAINED}, {"probabilities": TRAINED}, ["cat", "dog"], NAMES)


@st.composite
def answers_of_two(draw):
    """Probabilities of the trained model and of an export that differs by about 10^-k."""
    examples, classes = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    trained = random.dirichlet(np.ones(classes), examples)
    if draw(st.booleans()):
        trained[random.integers(examples)] = 1 / classes
    served = trained + random.uniform(-1, 1, trained.shape) * 10.0 ** -draw(st.integers(1, 6))
    valid = random.random(examples) > draw(st.sampled_from([0, 0, 0.3]))
    return trained, served, valid, [f"c{number}" for number in range(classes)]


@given(answers_of_two(), st.sampled_from([1e-4, 1e-2]), st.booleans())
def test_agrees_with_a_loop_over_examples(both, tolerance, with_labels):
    trained, served, valid, class_names = both
    answers = {"probabilities": served, "valid": valid}
    if with_labels:
        answers["labels"] = labels_of(served, class_names)
    names = [f"{i}.jpg" for i in range(len(trained))]
    parity = compare({"probabilities": trained}, answers, class_names, names, probability_tolerance=tolerance,
                     label_margin=2 * tolerance)
    same = compared = differing = 0
    largest = 0.0
    for expected, found, readable in zip(trained, served, valid):
        likeliest = sorted(expected)[::-1]
        clear = len(likeliest) == 1 or likeliest[0] - likeliest[1] > 2 * tolerance
        compared += clear
        if readable:
            same += expected.argmax() == found.argmax()
            differing += clear and expected.argmax() != found.argmax()
            largest = max(largest, np.abs(expected - found).max())
    assert (parity.same_label, parity.compared, parity.differing_labels) == (same, compared, differing)
    assert parity.largest_difference == pytest.approx(largest) and parity.unreadable == (~valid).sum()
    assert parity.passed == (valid.all() and differing == 0 and parity.largest_difference <= tolerance)
    assert bool(parity.failure()) != parity.passed
    assert json.loads(json.dumps(dataclasses.asdict(parity)))["examples"] == len(names)


@given(answers_of_two())
def test_within_the_tolerance_no_clear_label_changes(both):
    trained, served, _, class_names = both
    assume(np.abs(trained - served).max() <= PROBABILITY_TOLERANCE)
    parity = compare({"probabilities": trained}, {"probabilities": served}, class_names, [""] * len(trained))
    assert parity.passed and parity.differing_labels == 0 and LABEL_MARGIN == 2 * PROBABILITY_TOLERANCE


@given(answers_of_two(), st.data())
def test_the_worst_is_the_worst(both, data):
    trained, served, _, class_names = both
    place = data.draw(st.integers(0, len(trained) - 1))
    served[place, 0] += 3.0
    names = [f"{i}.jpg" for i in range(len(trained))]
    parity = compare({"probabilities": trained}, {"probabilities": served}, class_names, names, label_margin=2.0)
    assert parity.worst.name == names[place] and parity.worst.class_name == "c0"
    assert parity.worst.difference == parity.largest_difference


@pytest.mark.parametrize("value, digits, text", [
    (0, 1, "0"), (4.4e-7, 1, "4e-7"), (1e-4, 1, "1e-4"), (1.04e-4, 3, "1.04e-4"), (2e-4, 3, "2e-4"), (0.42, 1, "0.42"),
    (1, 1, "1"), (9.6e-4, 1, "1e-3"), (0.5, 3, "0.5")])
def test_short(value, digits, text):
    assert short(value, digits) == text
