"""Audiatur: keeps call recordings as evidence, and lets none out without consent."""

import os

# numpy's linear algebra starts a thread per processor when it is loaded, and they spin while they
# wait for each other: on a busy machine a small product of matrices costs a hundred times more.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
