"""The table of bad data: what every case is made of, and what is to come of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.data.image_files import class_folders, save_photo
from tests.faults.bad_configs import CONFIGS
from tests.faults.bad_files import FILES, UNDECODABLE
from tests.faults.bad_surroundings import SURROUNDINGS
from tests.faults.outcomes import Refused

LABELLED = 12
COPY = "the same image also stands under class"


@dataclass(frozen=True)
class Split:
    """It is trained on. ``left_out`` says why, by the path below the data; ``note`` stands in the plan."""

    classes: tuple[str, ...]
    images: int
    left_out: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class DataCase:
    """``make`` writes below a folder and returns what ``--data`` is given."""

    name: str
    make: Callable[[Path], Path]
    outcome: Split | Refused


def folders(*names: str, each: int = 6, then: Callable[[Path], object] = lambda data: None) -> Callable[[Path], Path]:
    """A folder per class, ``each`` images in it; ``then`` does what is bad to it."""
    def make(folder: Path) -> Path:
        data = class_folders(folder / "photos", dict.fromkeys(names or ("a", "b"), each))
        then(data)
        return data

    return make


def own_split(**parts: Mapping[str, int]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for number, (part, counts) in enumerate(parts.items()):
            class_folders(folder / "photos" / part, dict(counts), first_seed=100 * number)
        return folder / "photos"

    return make


def table(content: str | bytes, encoding: str = "utf-8") -> Callable[[Path], Path]:
    """A CSV beside twelve images, ``im/0.png`` to ``im/11.png``."""
    def make(folder: Path) -> Path:
        for number in range(LABELLED):
            save_photo(folder / "im" / f"{number}.png", number)
        (folder / "list.csv").write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return folder / "list.csv"

    return make


def rows(first: str = "a", second: str = "b", end: str = "\n", more: str = "") -> str:
    return end.join(f"im/{number}.png,{(first, second)[number % 2]}{more}" for number in range(LABELLED)) + end


def linked(name: str, target: str) -> Callable[[Path], None]:
    return lambda data: (data / name).symlink_to(target)


def cross_linked(data: Path) -> None:
    linked("a/x", "../b/y")(data)
    linked("b/y", "../a/x")(data)


def file_of(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def damage(data: Path) -> None:
    for path in (data / "b").iterdir():
        path.write_bytes(path.read_bytes()[:-20])


def copy_of_each(data: Path) -> None:
    for path in list((data / "a").iterdir()):
        (data / "b" / f"copy_{path.name}").write_bytes(path.read_bytes())


HEAD = "path,label\n"
TWO = Split(("a", "b"), LABELLED)
DATA_SETS = (
    DataCase("class names with spaces, emoji, Chinese, quotes and signs",
             folders("a b", "🐈", "猫", "it's \"so\"", "$x^2$", "%s", "-x", "[red]"),
             Split(("$x^2$", "%s", "-x", "[red]", "a b", "it's \"so\"", "猫", "🐈"), 48)),
    DataCase("a class name of 255 bytes", folders("a", "b" * 255), Split(("a", "b" * 255), 12)),
    DataCase("a class name that is not UTF-8", folders("a", b"caf\xe9".decode("utf-8", "surrogateescape")),
             Split(("a", "caf\\xe9"), 12)),
    DataCase("a class name with a line break", folders("a", "two\nlines"), Refused(r"two\\nlines/ has a line break")),
    DataCase("a class name that steers the terminal", folders("a", "\x1b[31mred"), Refused(r"\\x1b\[31mred/ has a")),
    DataCase("a link that leads back to itself, among the images", folders(then=linked("a/ring", "ring")), TWO),
    DataCase("a link that leads back to itself, among the classes", folders(then=linked("ring", "ring")), TWO),
    DataCase("a link from a class to the folder of all", folders(then=linked("a/up", "..")), TWO),
    DataCase("two links that lead to each other", folders(then=cross_linked), TWO),
    DataCase("a class that is a link to the folder of all", folders(then=linked("c", ".")),
             Split(("a", "b"), 12, {"c/": "empty class folder"})),
    DataCase("a class that is a link to another class", folders(then=linked("c", "a")),
             Refused(f"class a has 0 distinct usable images.*12 copies don't count: .*0.png, {COPY} c")),
    DataCase("--data is a link to itself", lambda folder: (linked("x", "x")(folder), folder / "x")[1],
             Refused("no folder x/ in")),
    DataCase("hidden folders", folders("a", "b", ".git", "__MACOSX"), TWO),
    DataCase("an empty class folder", folders(then=lambda data: (data / "c").mkdir()),
             Split(("a", "b"), 12, {"c/": "empty class folder"})),
    DataCase("images beside the class folders", folders(then=lambda data: save_photo(data / "loose.png", 99)),
             Split(("a", "b"), 12, {"loose.png": "stands in no class folder"})),
    DataCase("images without class folders", lambda folder: save_photo(folder / "photos" / "a.png").parent,
             Refused("has images directly in it")),
    DataCase("one example per class", folders(each=1), Refused("class a has 1 distinct usable image, class b has 1")),
    DataCase("three examples per class", folders(each=3), Split(("a", "b"), 6)),
    DataCase("one class", folders("a"), Refused("images of one class only")),
    DataCase("a class whose images are all damaged", folders(then=damage),
             Refused(f"class b has 0 distinct usable images.*6 of 12 images can't be used.*{UNDECODABLE}")),
    DataCase("the same images in two classes", folders("a", "b", each=8, then=copy_of_each),
             Refused("16 copies don't count")),
    DataCase("a label only in validation", own_split(train={"a": 3, "b": 3}, validation={"a": 1, "c": 1}),
             Refused("validation/ has images of c, of which train/ has none; its classes are a, b")),
    DataCase("a label only in train", own_split(train={"a": 3, "b": 3, "c": 3}, validation={"a": 1, "b": 1}, test={
        "a": 1}), Split(("a", "b", "c"), 12)),
    DataCase("two folders for validation", own_split(train={"a": 3}, val={"a": 1}, validation={"a": 1}),
             Refused("both val/ and validation/")),
    DataCase("a folder that isn't there", lambda folder: class_folders(folder / "photos", {"a": 1}).parent / "photoz",
             Refused("no folder photoz/ in .* Did you mean .*photos/")),
    DataCase("one image", lambda folder: save_photo(folder / "a.png"), Refused("is one image")),
    DataCase("idx images whose header lies", file_of("train-images-idx3-ubyte", b"\0\0\x08\x03" + b"\x7f" * 12),
             Refused("has no labels")),
    DataCase("CSV with a byte order mark", table(HEAD + rows(), "utf-8-sig"), TWO),
    DataCase("CSV with CRLF", table("path,label\r\n" + rows(end="\r\n")), TWO),
    DataCase("CSV with quotes", table('"path","label"\n' + rows('"say ""a"", b"', '"c"')),
             Split(('c', 'say "a", b'), LABELLED)),
    DataCase("CSV with spaces, capitals and blank lines", table(" Path , LABEL \n\n" + rows(" a ", " b ") + "\n,\n"),
             TWO),
    DataCase("CSV labels with /", table(HEAD + rows("../../etc", "a/b")), Split(("../../etc", "a/b"), LABELLED)),
    DataCase("CSV labels of 300 characters", table(HEAD + rows("猫" * 300, "x" * 300)),
             Split(("x" * 300, "猫" * 300), LABELLED)),
    DataCase("CSV label with a line break", table(HEAD + rows('"two\nlines"')),
             Refused("rows 2, 4, 6, 8, 10 and 1 more have a label with a line break")),
    DataCase("CSV with a quotation mark that isn't closed", table(HEAD + rows() + 'im/0.png,"a\n' + rows()),
             Refused("row 14 has a label with a line break.*perhaps a quotation mark isn't closed")),
    DataCase("CSV without the column label", table("path,class\n" + rows()), Refused("label.*found path, class")),
    DataCase("CSV with semicolons", table("path;label\nim/0.png;a\n"),
             Refused("separated by commas; found path;label")),
    DataCase("CSV with a column twice", table("path,label,path\n" + rows(more=",x")),
             Refused("path and label once each")),
    DataCase("CSV with a value too many", table(HEAD + rows() + "im/0.png,Smith, John\n"),
             Refused("row 14 has more values than the first row has names")),
    DataCase("CSV with a file that isn't there", table(HEAD + rows() + "im/99.png,a\n"),
             Refused("row 14 has a path with no file, first 'im/99.png'")),
    DataCase("CSV with a path of 9,000 letters", table(HEAD + "x" * 9000 + ",a\n"), Refused("first 'x{79}…'")),
    DataCase("CSV with NUL", table(HEAD + "im/0\0.png,a\n"), Refused(r"no file, first 'im/0\\x00.png'")),
    DataCase("CSV with rows twice", table(HEAD + rows() + rows()), Split(("a", "b"), 2 * LABELLED)),
    DataCase("CSV with a row under two labels", table(HEAD + rows() + "im/0.png,b\n"),
             Split(("a", "b"), LABELLED - 1, {"im/0.png": COPY})),
    DataCase("CSV with a column split", table("path,label,split\n" + rows(more=",train")),
             Split(("a", "b"), LABELLED, note="its column split is not used")),
    DataCase("CSV of a header only", table(HEAD), Refused("has no rows below its header")),
    DataCase("CSV of zero bytes", table(b""), Refused("path and label, separated by commas; found nothing")),
    DataCase("CSV in UTF-16", table(HEAD + rows(), "utf-16"), Refused("is not UTF-8 text")),
    DataCase("CSV in Latin-1, the last row of many", table(HEAD + rows() * 100 + "im/é.png,a\n", "latin-1"),
             Refused(rf"is not UTF-8 text .byte {len(HEAD + rows() * 100 + 'im/')}\)")),
    DataCase("CSV that is a zip", table(b"PK\3\4\n\0\xff\0"), Refused("is not UTF-8 text")),
)
CASES = (*FILES, *DATA_SETS, *CONFIGS, *SURROUNDINGS)
