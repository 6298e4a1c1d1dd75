"""The journal as what an epoch is trained under."""

import pytest

from tests.training.small_jobs import CONFIG
from tfpt.training.conditions import Conditions, conditions, is_journal, step_config

JOURNAL = [{"epoch": 2, "learning_rate": 0.5, "layer": "head (weights)"}, {"epoch": 3, "batch_size": 4},
           {"epoch": 3, "batch_size": 2}, {"epoch": 3, "learning_rate": 0.25}, {"epoch": 5, "evaluation_batch_size": 8},
           {"epoch": 6, "cache": "off"}]


@pytest.mark.parametrize("epoch, expected", [
    (1, Conditions()), (2, Conditions(rate=0.5)), (3, Conditions(rate=0.25, batch_size=2)),
    (5, Conditions(rate=0.25, batch_size=2, evaluation_batch_size=8)),
    (9, Conditions(rate=0.25, batch_size=2, evaluation_batch_size=8, cached=False))])
def test_an_entry_holds_from_the_beginning_of_its_epoch_on(epoch, expected):
    assert conditions(JOURNAL, epoch) == expected


def test_nothing_went_wrong():
    assert conditions([], 7) == Conditions() and step_config(CONFIG, Conditions()) is CONFIG


@pytest.mark.parametrize("entry", [{}, {"epoch": "2"}, {"epoch": 0}, {"epoch": True}, {"epoch": 1, "batch_size": 0},
                                   {"epoch": 1, "evaluation_batch_size": 2.5}])
def test_what_is_no_journal(entry):
    assert is_journal(JOURNAL) and not is_journal([*JOURNAL, entry])


@pytest.mark.parametrize("size, steps", [(2, 2), (1, 4), (3, 2)])
def test_an_update_stays_as_large_as_it_is(size, steps):
    train = step_config(CONFIG, Conditions(batch_size=size)).train
    assert (train.batch_size, train.accumulation_steps) == (size, steps)
    assert train.seed == CONFIG.train.seed
