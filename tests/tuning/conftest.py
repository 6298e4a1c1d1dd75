import itertools
from types import SimpleNamespace

import pytest
import scipy.optimize
from keras_tuner.src.tuners import bayesian


@pytest.fixture
def quick_proposals(monkeypatch):
    """KerasTuner's Bayesian proposals in a tenth of their time: it descends from every tenth of its starting points."""
    numbers = itertools.count()

    def minimize(function, x0, **options):
        if next(numbers) % 10 == 0:
            return scipy.optimize.minimize(function, x0, **options)
        return scipy.optimize.OptimizeResult(x=x0, fun=function(x0))

    def make_gpr(oracle, real=bayesian.BayesianOptimizationOracle._make_gpr):
        return real(oracle).set_params(n_restarts_optimizer=1)

    monkeypatch.setattr(bayesian, "scipy", SimpleNamespace(optimize=SimpleNamespace(minimize=minimize)))
    monkeypatch.setattr(bayesian.BayesianOptimizationOracle, "_make_gpr", make_gpr)
