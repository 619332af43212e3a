"""``python -m glance3d`` is the command line."""

import sys

from glance3d.cli import main

if __name__ == "__main__":
    sys.exit(main())
