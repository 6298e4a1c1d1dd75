import pytest

from tfpt.data.sizes import size_text


@pytest.mark.parametrize(("size_bytes", "text"), [
    (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9949, "9.9 kB"), (9950, "10 kB"), (999_499, "999 kB"),
    (999_500, "1.0 MB"), (32_100_000, "32 MB"), (1_234_000_000, "1.2 GB"), (5 * 10**15, "5000 TB")])
def test_sizes_have_decimal_units(size_bytes, text):
    assert size_text(size_bytes) == text
