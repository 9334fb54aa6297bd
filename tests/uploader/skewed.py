"""Run the uploader on a machine whose clock is wrong: `python skewed.py SECONDS WORDS…`."""

from __future__ import annotations

import sys
import time

from app.uploader.main import main

if __name__ == "__main__":
    right, wrong_by = time.time, float(sys.argv[1])
    time.time = lambda: right() + wrong_by
    sys.exit(main(sys.argv[2:]))
