"""``python -m tfpt`` is the command ``tfpt``."""

import sys

from tfpt.cli import main

if __name__ == "__main__":
    sys.exit(main())
