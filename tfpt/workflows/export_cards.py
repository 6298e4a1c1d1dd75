"""What is written beside an exported model for people and programs: model_card.md and signature.json."""

import contextlib
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tfpt.export.model_card import model_card
from tfpt.export.parity import Parity
from tfpt.export.signature_card import signature_card
from tfpt.task import ServedModel
from tfpt.workflows.finished_run import FinishedRun


def write_cards(folder: Path, opened: FinishedRun, served: ServedModel, *, version: int, model_format: str,
                model_file: str | None, model_sha256: str, checks: Mapping[str, Parity], accuracy: Mapping[str, float],
                warmup_examples: int) -> None:
    """Write both into ``folder``.

    Args:
        model_format: saved_model, onnx, litert, litert-float16 or litert-int8.
        model_sha256: of the model.keras that was exported.
        model_file: the file of a format that holds the network alone.
        checks: by loader.
        accuracy: by kind of numbers, where it was measured.
        warmup_examples: how many examples the warm-up requests hold.
    """
    name, described = opened.run.name, model_format.replace("-", " ")
    lines = [f"{loader}: {parity.report()}" for loader, parity in checks.items()]
    lines += [f"accuracy of {kind}: {value:.3f}" for kind, value in accuracy.items()]
    card = model_card(name=name, version=version, format=described, record=opened.record, config=opened.config,
                      served=served, scores=_test_scores(opened), checks=lines, warmup_examples=warmup_examples)
    signature = signature_card(
        served, name=name, task=opened.task.name, version=version, format=described,
        model_sha256=model_sha256,
        exported=datetime.now(timezone.utc).date().isoformat(), class_names=opened.metadata.get("class_names", ()),
        model_file=model_file)
    (folder / "model_card.md").write_text(card, encoding="utf-8")
    (folder / "signature.json").write_text(json.dumps(signature, indent=1, ensure_ascii=False) + "\n",
                                           encoding="utf-8")


def _test_scores(opened: FinishedRun) -> dict[str, Any] | None:
    """evaluation/test.json, which a user may have removed."""
    with contextlib.suppress(OSError, ValueError):
        scores = json.loads((opened.run.evaluation / "test.json").read_text(encoding="utf-8"))
        return scores if isinstance(scores, dict) else None
    return None
