"""An answer of bytes whose end may be missing."""

from __future__ import annotations

from starlette.responses import StreamingResponse
from starlette.types import Send


class BreakableResponse(StreamingResponse):
    """A stream that may be cut off: after an empty piece the connection is broken off.

    Whoever listens then sees that the end is missing, instead of a shorter whole.
    """

    async def stream_response(self, send: Send) -> None:
        """Send the pieces; without the last message the server breaks the connection off."""
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        async for piece in self.body_iterator:
            if not piece:
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
