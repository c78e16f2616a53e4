"""Requests: their fields, from JSON or a form, and the token that they bring."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request

from . import shapes
from .access import Access
from .limits import Limits, Refusal

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 1000


async def asked(request: Request, shape: shapes.Shape) -> Any:
    """Returns what a request asks for, from who may ask.

    Args:
        request: whose application has `limits` and `access` as its state.
        shape: of its fields.

    Raises:
        Refusal: if it is none, or its token is wrong.
    """
    state = request.app.state
    values = await fields_of(request, state.limits)
    check_token(request, state.access, values.get("api_key"))
    return shapes.read(shape, values)


async def fields_of(request: Request, limits: Limits) -> dict[str, Any]:
    """Returns the fields of a request's body, by name.

    Raises:
        Refusal: if it is neither JSON nor a form, or does not arrive.
    """
    try:
        async with asyncio.timeout(limits.seconds):
            body = await request.body()
    except TimeoutError:
        raise Refusal(
            408, f"a request must arrive in {limits.seconds:g} s, but did not."
        ) from None
    except ClientDisconnect:
        raise Refusal(400, "the request must arrive whole, but did not.") from None
    kind = request.headers.get("content-type", "application/json").partition(";")[0]
    kind = kind.strip().lower()
    if kind == FORM:
        return form(body)
    if kind != "application/json":
        raise Refusal(
            415, f"the body must be application/json or {FORM}, but is neither."
        )
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(422, "the body must be JSON in UTF-8, but is not.") from None
    if not isinstance(values, dict):
        raise Refusal(422, "the body must be a JSON object, but is something else.")
    return values


def form(body: bytes) -> dict[str, Any]:
    """Reads a form; a field that is repeated is a list.

    Raises:
        Refusal: if it is none.
    """
    try:
        fields = parse_qs(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise Refusal(422, "the body must be a form in UTF-8, but is not.") from None
    return {k: v[0] if len(v) == 1 else v for k, v in fields.items()}


def check_token(request: Request, access: Access, field: object = None) -> None:
    """Refuses a request without the token that is asked for.

    Args:
        request: may have it in its header, as a bearer.
        access: knows it.
        field: what the body has as `api_key`.

    Raises:
        Refusal: if it has none, or another.
    """
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        given = field if isinstance(field, str) else ""
    if access.allows(given.strip()):
        return
    if given:
        raise Refusal(403, "the token must be that of the service, but is another.")
    raise Refusal(
        401, "a token must be given, as `Authorization: Bearer …` or as `api_key`."
    )
