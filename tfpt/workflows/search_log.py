"""What a search leaves and shows as it goes: a line and a file per trial, tuning.json, best.yaml, pictures."""

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfpt.atomic_files import atomic_write_text
from tfpt.config.search_space import Dimension, space_record
from tfpt.config.writing import to_yaml
from tfpt.task import Task
from tfpt.training.screen import Screen
from tfpt.tuning.hparams import HParamsLog
from tfpt.tuning.plots import draw_best_so_far, draw_scores
from tfpt.tuning.record import search_record, write_record
from tfpt.tuning.trial_result import TrialResult, best_result
from tfpt.tuning.trial_table import TrialTable
from tfpt.tuning.workbench import Workbench
from tfpt.workflows.search_folder import SearchRun
from tfpt.workflows.search_service import Service
from tfpt.workflows.search_settings import SearchSettings, settings_text

RESULT_FILE = "result.json"


def read_result(search: SearchRun, number: int) -> TrialResult | None:
    """The result of a finished trial, if it is in the search's folder."""
    with suppress(OSError, ValueError, TypeError):
        return TrialResult(**json.loads((search.trial(number).path / RESULT_FILE).read_text(encoding="utf-8")))
    return None


def write_result(search: SearchRun, result: TrialResult) -> None:
    """Keep it in the trial's folder: from then on the trial isn't trained again."""
    atomic_write_text(search.trial(result.number).path / RESULT_FILE, json.dumps(asdict(result)) + "\n")


def results_of(search: SearchRun) -> list[TrialResult]:
    """Of all finished trials in the search's folder, in their order."""
    numbers = sorted(int(file.parent.name) for file in search.path.glob(f"trials/*/{RESULT_FILE}")
                     if file.parent.name.isdigit())
    return [result for number in numbers if (result := read_result(search, number)) is not None]


@dataclass
class SearchLog:
    """Keeps everything up to date that a person looks at.

    ``own`` is False for a worker whose chief keeps tuning.json in another folder; ``earlier_seconds`` are those of
    earlier processes, ``conditions`` what a resumed search has to find as it was.
    """

    task: Task
    settings: SearchSettings
    search: SearchRun
    bench: Workbench
    screen: Screen
    tensorboard: Path
    own: bool
    conditions: Mapping[str, Any]
    earlier_seconds: float
    began: float

    def __post_init__(self) -> None:
        self._reported: Sequence[TrialResult] = ()
        ends = {dimension.name: dimension_values(dimension) for dimension in self.settings.space}
        self.table = TrialTable(self.screen, ends, self.settings.objective)
        self.hparams = HParamsLog(self.tensorboard, ends, list(self.task.objectives))

    def begin(self, now: float, service: Service) -> None:
        """The heading, and the trials that an earlier process has finished."""
        self.hparams.write_search()
        self.write("running", now)
        if self.own:  # last: from now on there is a search
            atomic_write_text(self.search.settings_file, settings_text(self.settings))
        self.screen.line("watch", f"tensorboard --logdir {shlex.quote(str(self.tensorboard))}")
        if service.is_chief:
            self.screen.line("workers", f"tfpt tune {self.task.name} --worker {service.chief} --run-dir "
                                        f"{shlex.quote(str(self.search.path))}")
        if service.is_worker:
            self.screen.line("worker", f"asks the chief at {service.worker} for trials, and waits for it")
        self.table.header()
        for result in self.results():
            self.hparams.write_trial(result)
            self.table.row(result, self._is_best(result))

    def told(self, result: TrialResult, now: float) -> None:
        """A trial is over."""
        self.hparams.write_trial(result)
        self.write("running", now)
        self.table.row(result, self._is_best(result))

    def results(self) -> list[TrialResult]:
        """Of all finished trials: those in the folder, and those that workers elsewhere have reported."""
        known = {result.number: result for result in [*self._reported, *results_of(self.search)]}
        return [known[number] for number in sorted(known)]

    def report(self, reported: Sequence[TrialResult]) -> None:
        """Take results by word of workers, whose folders may not be here."""
        self._reported = reported

    def write(self, status: str, now: float, best_run: str | None = None) -> None:
        """Bring tuning.json, best.yaml and the pictures up to date."""
        if not self.own and not self.search.settings_file.exists():
            return
        settings, found = self.settings, self.results()
        record = search_record(
            tune=str(self.search.path), task=self.task.name, status=status, search=settings.engine,
            objective=settings.objective, direction=settings.direction, space=space_record(settings.space),
            results=found, best_run=best_run, shared=self.bench.record(),
            wall_seconds=self.earlier_seconds + now - self.began, seed=settings.base.train.seed)
        best = best_result(found, settings.direction)
        if best is not None:
            text = f"# Trial {best.number} of {self.search.path}: validation {settings.objective} {best.score:.4g}\n"
            config = settings.trial_config(self.task, best.values)
            atomic_write_text(self.search.best_config_file, text + to_yaml(config))
        if status != "running" and found:
            self._draw(found)
        write_record(self.search.path, {**record, "asked": settings.asked(), **self.conditions})

    def tell_missing(self) -> None:
        """Fewer trials than were asked for, because there are no others."""
        wanted, found = self.settings.trials, len(self.results())
        if wanted is not None and found < wanted:
            self.screen.line("search", f"the space has no more values: {found} of {wanted} trials")

    def _draw(self, results: Sequence[TrialResult]) -> None:
        settings, folder = self.settings, self.search.path
        names = [dimension.name for dimension in settings.space]
        logarithmic = [dimension.name for dimension in settings.space if dimension.sampling == "log"]
        draw_scores(results, names, settings.objective, settings.direction, folder / "scores.png", logarithmic)
        draw_best_so_far(results, settings.direction, settings.objective, folder / "best_so_far.png")

    def _is_best(self, result: TrialResult) -> bool:
        best = best_result(self.results(), self.settings.direction)
        return best is not None and best.number == result.number


def dimension_values(dimension: Dimension) -> Sequence[Any]:
    """The choices, or the ends of the range."""
    return dimension.values or (dimension.low, dimension.high)
