"""How good each example's class probabilities are: log loss, Brier score, being among the likeliest."""

import numpy as np

SMALLEST_PROBABILITY = 1e-7
TOP = 5


def log_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The cross-entropy of each example in nats, float64 ``[examples]``; probabilities below 1e-7 count as that.

    Args:
        probabilities: float ``[examples, classes]``.
        labels: int ``[examples]``.
    """
    truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.clip(truth, SMALLEST_PROBABILITY, 1.0))


def brier_scores(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The squared distance of each example's probabilities from 1 for its class and 0 for all others, 0…2.

    It is the score of Brier (1950), over all classes; of two classes some take half of it. float64 ``[examples]``.
    """
    truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    squares = np.einsum("ec,ec->e", probabilities, probabilities, dtype=np.float64)
    return squares - 2 * truth + 1


def right_in_top(probabilities: np.ndarray, labels: np.ndarray, top: int = TOP) -> int:
    """In how many examples the true class is among the ``top`` likeliest."""
    from sklearn.metrics import top_k_accuracy_score

    classes = np.arange(probabilities.shape[1])
    return int(top_k_accuracy_score(labels, probabilities, k=top, labels=classes, normalize=False))
