from tfpt.commands.export_summary import check_lines, export_lines

PARITY = {"examples": 181, "same_label": 181, "compared": 180, "differing_labels": 0, "unreadable": 0, "not_finite": 0,
          "largest_difference": 4.2e-7, "worst": None, "problem": None, "probability_tolerance": 1e-4,
          "label_margin": 2e-4, "report": "181 of 181 same label, largest difference 4e-7"}
EXPORT = {"export": "runs/photos-0001/export/1", "run": "runs/photos-0001", "task": "image_classification",
          "format": "saved_model", "version": 1, "bytes": 9_340_000, "file": "saved_model.pb",
          "signatures": ["serving_default", "pixels"], "beyond_network": None, "wall_seconds": 9.1,
          "checked": {"examples": 181, "converted": 0, "accuracy": {},
                      "loaders": {"fresh process": PARITY, "C++ loader": PARITY}}}
CHECK = {"export": "copied/1", "compared_with": "runs/photos-0001", "examples": 181, "converted": 3,
         "ops": {"count": 68, "python": [], "text": [], "unknown": [], "file_access": []},
         "loaders": {"fresh process": PARITY, "C++ loader": PARITY}, "warm_up_requests": 5,
         "latency": [{"batch_size": size, "calls": 300, "p50_ms": 2.71, "p99_ms": 4.58, "examples_per_second": 1365.2,
                      "loader": "TensorFlow's C++ loader"} for size in (1, 32)]}


def test_an_export_says_what_was_checked_and_what_to_do_next():
    wrote, checked, serve, ask = export_lines(EXPORT)
    assert wrote == "wrote     runs/photos-0001/export/1 · serving_default, pixels · warm-up · model card · 9.3 MB"
    assert checked == ("checked   181 test examples: fresh process 181 of 181 same label, largest difference 4e-7; "
                       "C++ loader 181 of 181 same label, largest difference 4e-7")
    assert serve.startswith("serve     docker run ") and "127.0.0.1:8501:8501" in serve and ":ro " in serve
    assert ask.endswith("runs/photos-0001/export/1/signature.json")


def test_a_path_with_blanks_is_quoted():
    assert "'" in export_lines({**EXPORT, "export": "my runs/a/export/1"})[2]


def test_another_format_says_what_it_lacks():
    lines = export_lines({**EXPORT, "signatures": [], "file": "model.tflite", "beyond_network": "decoding image files",
                          "checked": {**EXPORT["checked"], "loaders": {"LiteRT": PARITY},
                                      "accuracy": {"float32": 0.9777, "litert-int8": 0.9740}}})
    assert "model.tflite" in lines[0] and lines[2] == "accuracy  float32 0.978 · litert-int8 0.974"
    assert lines[3] == "without   decoding image files: clients do that themselves" and len(lines) == 4


def test_a_check_tells_ops_parity_warm_up_and_latency():
    lines = check_lines(CHECK)
    assert lines[1] == "ops       68 kinds, all in core TensorFlow"
    assert lines[2] == "against   runs/photos-0001"
    assert lines[3].startswith("checked   181 test examples (3 of them as PNG, as clients must send them): fresh")
    assert lines[4] == "warm-up   5 requests answered"
    assert lines[5].split() == "latency batch 1 p50 2.7 ms p99 4.6 ms 1,365 examples/s 300 calls".split()
    assert len(lines) == 7


def test_what_an_export_says_does_not_steer_the_terminal():
    lines = check_lines({**CHECK, "export": "a\x1b[2Jb", "ops": {**CHECK["ops"], "text": ["TFText>\x1b[31m"]}})
    assert not any("\x1b" in line for line in lines) and "a\\x1b[2Jb" in lines[0]


def test_a_check_without_a_run_says_that_numbers_were_not_compared():
    report = {**CHECK, "compared_with": None, "loaders": {"fresh process": None, "C++ loader": None}, "latency": [],
              "warm_up_requests": 0, "ops": {**CHECK["ops"], "text": ["CaseFoldUTF8"]}}
    lines = check_lines(report)
    assert lines[1] == "ops       68 kinds; of tensorflow-text: CaseFoldUTF8"
    assert "it loads in fresh process and in C++ loader" in lines[2] and "--run" in lines[2]
    assert lines[3].startswith("warm-up   none")
