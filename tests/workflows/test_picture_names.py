import pytest

from tfpt.workflows.picture_names import LONGEST, picture_names, plain_name


@pytest.mark.parametrize("names, expected", [
    (["a.jpg", "b.png"], ["a", "b"]), (["x/a.jpg", "y/b.jpg"], ["a", "b"]),
    (["x/1.jpg", "y/1.jpg", "y/2.jpg"], ["x-1", "y-1", "2"]),
    (["m/x/1.jpg", "n/x/1.jpg", "n/y/1.jpg"], ["m-x-1", "n-x-1", "y-1"]),
    (["a.jpg", "a.png", "a.jpg"], ["a", "a-2", "a-3"]), (["a.jpg", "a-2.jpg", "a.png"], ["a", "a-2", "a-3"]),
    (["A.jpg", "a.jpg"], ["A", "a-2"]), (["x-1.jpg", "x/1.jpg", "y/1.jpg"], ["x-1", "x-1-2", "y-1"]),
    (["/x/1.jpg", "1.jpg"], ["x-1", "1"]), (["../ü 猫.jpg"], ["ü-猫"]), (["..jpg", "%%%.png"], ["picture", "picture-2"]),
    ([], [])])
def test_names_tell_the_files_apart(names, expected):
    assert picture_names(names, "_x.png") == [f"{stem}_x.png" for stem in expected]


@pytest.mark.parametrize("letter", ["a", "猫", "𝒜"])
def test_long_names_fit_into_a_file_system(tmp_path, letter):
    names = picture_names([f"{letter * 250}{number}.jpg" for number in range(3)], f"_as_{plain_name(letter * 300)}.png")
    assert len(set(names)) == 3 and names[1].split("_")[0].endswith("1")
    for name in names:
        assert len(name.encode()) < 2 * LONGEST + 20
        (tmp_path / name).touch()
