import pytest

from tfpt.workflows.run_pictures import with_short_names


@pytest.mark.parametrize("names, short", [
    (["/data/photos/cats/1.jpg", "/data/photos/dogs/2.jpg"], ["cats/1.jpg", "dogs/2.jpg"]),
    (["/data/photos/cats/1.jpg", "/data/photos/cats/2.jpg"], ["1.jpg", "2.jpg"]),
    (["/data/photos/cats/1.jpg"], ["/data/photos/cats/1.jpg"]),
    (["digits[3]", "digits[4]"], ["digits[3]", "digits[4]"]),
    (["new/cats/1.jpg", "/elsewhere/2.jpg"], ["new/cats/1.jpg", "/elsewhere/2.jpg"]), ([], [])])
def test_names_lose_the_folders_that_all_have(names, short):
    rows = with_short_names([{"name": name, "loss": 1.0} for name in names])
    assert [row["name"] for row in rows] == short and all(row["loss"] == 1.0 for row in rows)
