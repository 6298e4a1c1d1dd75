from pathlib import Path

from tfpt.commands.summary import summary_lines

MANIFEST = {
    "metrics": {"test": {"accuracy": 0.9121, "macro_f1": 0.905, "roc_auc": 0.991,
                         "weakest_class": {"name": "insects", "f1": 0.72}}},
    "wall_seconds": {"total": 31.2, "data": 4.1, "prefix": 13.2, "trace": None, "train": 9.0, "evaluate": 0.44},
}


def test_the_three_lines_of_the_tour():
    assert summary_lines(Path("runs/photos-0001"), MANIFEST, "finetune-image") == [
        "test      accuracy 0.912 · macro F1 0.905 · ROC-AUC 0.991 · weakest class: insects (F1 0.72)",
        "time      31 s: data 4, prefix 13, train 9, evaluate 0.4",
        "run       runs/photos-0001  →  tfpt evaluate · report · predict · export · finetune-image --resume",
    ]


def test_what_the_manifest_lacks_is_left_out():
    test = {"metrics": {"test": {"accuracy": 0.5, "macro_f1": 0.25, "roc_auc": None, "weakest_class": None}}}
    assert summary_lines(Path("r"), test, "x")[0] == "test      accuracy 0.500 · macro F1 0.250"
    assert summary_lines(Path("r"), {}, "x") == [
        "run       r  →  tfpt evaluate · report · predict · export · x --resume"]
