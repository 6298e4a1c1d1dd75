import warnings

import matplotlib
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tfpt.evaluation.figures import plain_text, save_figure, shortened


def test_a_figure_is_alike_under_every_setting_of_the_user_and_leaves_no_trace(tmp_path):
    def draw(figure):
        plain_text([figure.suptitle("$ no formula \u732b")])

    for name, settings in (("plain.png", {}), ("dark.png", {"figure.facecolor": "black", "font.size": 20})):
        with warnings.catch_warnings(), matplotlib.rc_context(settings):
            warnings.simplefilter("error")
            save_figure(draw, tmp_path / name)
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "dark.png").read_bytes()
    with Image.open(tmp_path / "dark.png") as image:
        assert image.getpixel((0, 0))[:3] == (255, 255, 255) and len(set(image.convert("L").getdata())) > 5


@given(st.text(max_size=60), st.integers(5, 30))
def test_names_are_shortened_in_the_middle(name, limit):
    short = shortened(name, limit)
    assert len(short) == min(len(name), limit)
    assert "\n" not in short


def test_both_ends_of_a_name_stay():
    assert shortened("retriever, golden, puppy", 11) == "retri…puppy"
