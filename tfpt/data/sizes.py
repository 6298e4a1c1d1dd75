"""Sizes of files and of memory, as text."""


def size_text(size_bytes: float) -> str:
    """``842 B``, ``1.2 kB``, ``32 MB``: decimal units, two or three figures."""
    size, units = size_bytes, ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.1f} {units[0]}" if size < 9.95 and units[0] != "B" else f"{size:.0f} {units[0]}"
