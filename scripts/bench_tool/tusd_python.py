"""The published tus server for Python, as its manual mounts it; `PEER_FILES` names its folder.

Run by the Python of the folder that it is installed in, which has nothing of ours.
"""

from __future__ import annotations

import os

from fastapi import FastAPI
from tuspyserver import create_tus_router

app = FastAPI()
app.include_router(create_tus_router(prefix="files", files_dir=os.environ["PEER_FILES"]))
