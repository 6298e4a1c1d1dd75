from tests.evaluation.pages import Page
from tests.workflows.told_runs import CACHE, PHASES
from tfpt.evaluation.report_plan import cache_lines, plan


def test_the_schedule_with_its_rates_and_the_main_settings():
    found = Page(plan({"phases": PHASES, "cache": CACHE}, {
        "optimizer.learning_rate": 0.003, "model.backbone": "MobileNetV2", "model.alpha": None,
        "train.batch_size": 32}))
    assert found.all("th")[:5] == ["epochs", "trains", "parameters", "head's rate", "backbone's rate"]
    assert found.all("td") == ["head only", "1,234", "0.003", "–",
                               "+ last 10 of 153 layers", "56,789", "0.003", "0.0003"]
    assert found.all("dd") == ["MobileNetV2", "0.003", "32", *cache_lines(CACHE)]


def test_the_cache_in_words():
    line, = cache_lines(CACHE)
    assert line == ("cut after block_15_add · 82% of the forward work saved · 20,398 rows of 504 × float16 · 21 MB in "
                    "memory and on disk")
    assert cache_lines({**CACHE, "cuts": [], "why": "everything trains"}) == ["none: everything trains"]
    assert cache_lines({}) == []


def test_a_run_that_tells_little():
    assert plan({"phases": [], "cache": {}}, {}) == "<dl></dl>"
    found = Page(plan({"phases": PHASES, "cache": {}}, {"optimizer.learning_rate": "auto"}))
    assert "× 0.1" in found.all("td")
