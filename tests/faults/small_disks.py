"""A disk of a few megabytes, if the kernel lets this user have one: a tmpfs in a namespace that a process holds."""

import contextlib
import os
import subprocess
from pathlib import Path

MOUNT = 'mkdir -p "$0" && mount -t tmpfs -o size="$1" none "$0" && echo mounted && exec sleep 600'


@contextlib.contextmanager
def small_disk(place, size):
    """The folder ``place`` on a disk of ``size``, such as ``32m``; None where that isn't allowed."""
    with subprocess.Popen(["unshare", "-rm", "sh", "-c", MOUNT, str(place), size], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as holder:
        try:
            if holder.stdout.readline() == "mounted\n":
                seen = Path(f"/proc/{holder.pid}/root{place}")  # the folder as that process sees it
                yield seen if os.access(seen, os.W_OK) else None
            else:
                yield None
        finally:
            holder.kill()
