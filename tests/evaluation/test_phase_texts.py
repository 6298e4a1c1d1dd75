from tfpt.evaluation.phase_texts import epochs_text, unfrozen_text


def test_a_schedule_in_words():
    assert [epochs_text(3, 3), epochs_text(1, 3)] == ["epoch 3", "epochs 1–3"]
    assert [unfrozen_text(*phase) for phase in ((0, 153, False), (10, 153, False), (153, 153, True),
                                                (153, 153, False))] == [
        "head only", "+ last 10 of 153 layers", "everything", "everything, BatchNormalization frozen"]
