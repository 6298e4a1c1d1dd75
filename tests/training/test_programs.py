"""Programs are found by their key, and only so many are kept."""

from tfpt.training.programs import Program, Programs


def program():
    return Program(None, None, None)


def test_a_program_is_made_once_for_a_key():
    programs = Programs()
    first = programs.get("a", program)
    assert programs.get("a", program) is first and programs.get("b", program) is not first
    assert programs.made == 2


def test_what_was_not_used_for_longest_goes():
    programs = Programs(most=2)
    kept = programs.get("a", program)
    programs.get("b", program)
    assert programs.get("a", program) is kept
    programs.get("c", program)
    assert programs.get("a", program) is kept
    programs.get("b", program)
    assert programs.made == 4
