"""A freeze schedule in words, the same in a plan, in a picture and on a page."""


def epochs_text(first: int, last: int) -> str:
    """``epoch 3``, ``epochs 1–3``."""
    return f"epoch {first}" if first == last else f"epochs {first}–{last}"


def unfrozen_text(unfrozen: int, units: int, batch_norm_trains: bool) -> str:
    """What trains of ``units`` layers: ``head only``, ``+ last 10 of 153 layers``, ``everything``."""
    if unfrozen == 0:
        return "head only"
    if unfrozen == units:
        return "everything" + ("" if batch_norm_trains else ", BatchNormalization frozen")
    return f"+ last {unfrozen} of {units} layers"
