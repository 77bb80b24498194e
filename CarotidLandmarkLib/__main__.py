"""`python -m CarotidLandmarkLib` is `carotid-landmark`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
