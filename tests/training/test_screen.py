"""The screen: aligned lines, no bar where there is no terminal, silence when asked."""

import io

from tfpt.training.screen import Screen, epoch_text


def test_labels_are_aligned_and_long_lines_are_not_broken():
    stream = io.StringIO()
    screen = Screen(stream)
    screen.line("data", "x" * 300)
    screen.line("schedule", "[bold]not markup[/bold]")
    assert stream.getvalue() == f"data      {'x' * 300}\nschedule  [bold]not markup[/bold]\n"


def test_no_bar_without_a_terminal_and_nothing_when_quiet():
    stream, silent = io.StringIO(), io.StringIO()
    for screen in (Screen(stream), Screen(silent, quiet=True)):
        screen.begin_bar("epoch  1", 10)
        screen.move_bar(5, "loss 1.0")
        screen.end_bar()
    Screen(silent, quiet=True).line("data", "text")
    assert stream.getvalue() == silent.getvalue() == ""


def test_an_epoch_in_one_line():
    text = epoch_text({"loss": 1.2, "accuracy": 0.5}, {"loss": 1.1, "accuracy": 0.6}, True, 1043.4, 2.06)
    assert text == "loss 1.200  acc 0.500   val loss 1.100  acc 0.600 *    1,043 images/s     2.1 s"


def test_a_reader_who_left_does_not_stop_the_training():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError
    screen = Screen(Closed())
    screen.line("epoch  1", "loss 1.0")
    screen.line("epoch  2", "loss 0.9")
    assert screen._console.quiet


def test_a_number_that_is_far_too_large_is_short():
    text = epoch_text({"loss": 6.2e23}, {"loss": -1e5}, False, 1.0, 1.0)
    assert text.startswith("loss 6.20e+23   val loss -1.00e+05")
