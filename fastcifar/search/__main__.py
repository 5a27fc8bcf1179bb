"""`python -m fastcifar.search` is `fastcifar search`."""

import sys

from fastcifar.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "search")
    main()
