import pytest

from tests.data.image_files import save_photo
from tfpt.data.csv_layout import read_csv
from tfpt.errors import DataError


def write(folder, content, encoding="utf-8"):
    for number in range(3):
        save_photo(folder / "images" / f"{number}.png", number)
    path = folder / "list.csv"
    path.write_bytes(content.encode(encoding))
    return str(path)


def test_rows_with_a_byte_order_mark_other_columns_and_blank_lines(tmp_path):
    path = write(tmp_path, 'id,Label, path \n1,b10,images/0.png\n\n2," b2 ","images/1.png"\n,,\n', "utf-8-sig")
    listing = read_csv(path)
    assert listing.class_names == ("b2", "b10")
    images = listing.parts["all"]
    assert images.labels.tolist() == [1, 0]
    assert images.paths == (str(tmp_path / "images/0.png"), str(tmp_path / "images/1.png"))


def test_absolute_paths(tmp_path):
    path = write(tmp_path, f"path,label\n{tmp_path}/images/2.png,a\n")
    assert read_csv(path).parts["all"].paths == (f"{tmp_path}/images/2.png",)


@pytest.mark.parametrize("content, message", [
    ("", "must name the columns path and label, separated by commas; found nothing"),
    ("path;label\na;b\n", "found path;label"),
    ("path,label\n", "no rows below its header"),
    ("path,label\nimages/0.png,\n", "row 2 has no label"),
    ("path,label\n\nimages/0.png,a\nimages/1.png\nimages/2.png, \n", "rows 4 and 5 have no label"),
    ("path,label\n,a\nimages/0.png,a\n,b\n,b\n", "rows 2, 4 and 5 have no path"),
    ("path,label\nimages/0.png,a\nimages/7.png,a\n", "row 3 has a path with no file, first 'images/7.png'"),
    ("path,label\n" + "x.png,a\n" * 7, "rows 2, 3, 4, 5, 6 and 2 more have a path with no file"),
    ("path,label\nimages,a\n", "row 2 has a path with no file"),
    ("path,label\n" + "x" * 5000 + ",a\n", "first 'x{79}…'"),
    ("path,label,path\nimages/0.png,a,x\n", "path and label once each, separated by commas; found path, label, path"),
    ("path,label\nimages/0.png,Smith, John\n", "row 2 has more values than the first row has names"),
    ('path,label\nimages/0.png,"two\nlines"\n', "row 2 has a label with a line break.*first 'two\\\\nlines'"),
    ("path,label\n\"" + "x" * 200_000 + "\",a\n", "is not a CSV: field larger")])
def test_bad_rows_are_numbered(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_csv(write(tmp_path, content))


def test_other_encodings_are_refused(tmp_path):
    with pytest.raises(DataError, match="is not UTF-8 text .byte 11.. Save it as CSV UTF-8"):
        read_csv(write(tmp_path, "path,label\né.png,a\n", "latin-1"))


def test_the_bad_byte_of_a_long_file_is_counted_from_its_beginning(tmp_path):
    with pytest.raises(DataError, match="byte 70011"):
        read_csv(write(tmp_path, "path,label\n" + "x" * 70_000 + "é", "latin-1"))


@pytest.mark.parametrize("column, note", [
    ("Split", "its column split is not used, a split of your own is made of folders"), ("size", "")])
def test_a_column_that_looks_like_a_split_is_told(tmp_path, column, note):
    found = read_csv(write(tmp_path, f"path,label,{column}\nimages/0.png,a,train,\n")).note
    assert found.startswith(note) and bool(found) == bool(note)
