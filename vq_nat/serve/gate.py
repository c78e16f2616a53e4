"""What every request passes: bounds, headers, and the clock."""

import time
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .access import Access
from .limits import Limits, Refusal
from .metrics import Metrics

HEADERS = [  # of every answer, as they are sent
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        b"connect-src 'self'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Gate:
    """Looks at requests before the application does, and at its answers.

    Args:
        app: the application.
        access: who may ask.
        limits: what is taken.
        metrics: counts the answers.
        paths: that are counted by name.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        limits: Limits,
        metrics: Metrics,
        paths: frozenset[str],
    ) -> None:
        self.app, self.access, self.limits = app, access, limits
        self.metrics, self.paths = metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.monotonic(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *HEADERS]}
            await send(message)

        try:
            refusal = self._refusal(Headers(scope=scope))
            if refusal is not None:
                await failure(refusal)(scope, receive, answer)
            else:
                await self.app(scope, self._bounded(receive), answer)
        finally:
            path = scope["path"] if scope["path"] in self.paths else "other"
            self.metrics.answered(path, status, time.monotonic() - start)

    def _refusal(self, headers: Headers) -> Refusal | None:
        if not self.access.knows(headers.get("host", "")):
            return Refusal(
                403,
                "without a token the service must be asked as localhost, but is "
                "asked by another name instead.",
            )
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self.limits.body:
            return self._too_large()
        return None

    def _too_large(self) -> Refusal:
        return Refusal(413, f"a request must have at most {self.limits.body} bytes.")

    def _bounded(self, receive: Receive) -> Receive:
        """Stops reading a body that is longer than it may be, whatever it says."""
        size = 0

        async def read() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.limits.body:
                raise self._too_large()
            return message

        return read


def failure(refusal: Refusal) -> JSONResponse:
    """Returns the answer to a request that is not served."""
    headers: dict[str, Any] = {}
    if refusal.retry is not None:
        headers["Retry-After"] = str(max(1, round(refusal.retry)))
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": refusal.sentence}, refusal.status, headers)
