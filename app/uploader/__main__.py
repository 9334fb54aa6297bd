"""Run the uploader by itself: `python -m app.uploader`."""

from __future__ import annotations

import sys

from app.uploader.main import main

sys.exit(main())
