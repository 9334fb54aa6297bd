"""The room that batches of bodies share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from app.core.working import LONG_BYTES, SHORT_BYTES, Workers


def test_batches_are_shorter_the_more_bodies_are_worked_on() -> None:
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        workers = Workers(pool)
        shares = [stack.enter_context(workers.share()) for _ in range(80)]
        assert shares[:8] == [LONG_BYTES] * 8
        assert shares[63:] == [SHORT_BYTES] * 17
        assert shares == sorted(shares, reverse=True)
        stack.close()
        # Who waits for his sender again has no share, also where his work was refused.
        with pytest.raises(LookupError), workers.share():
            raise LookupError
        with workers.share() as share:
            assert share == LONG_BYTES
