"""``python -m asteri`` is the command line."""

import sys

from asteri_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
