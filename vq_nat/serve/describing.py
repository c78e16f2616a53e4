"""How the OpenAPI description tells bodies that are read by hand, and failures."""

from typing import Any

from . import shapes
from .bodies import FORM

FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": shapes.Failure, "description": description}
    for status, description in {
        401: "no token",
        403: "a wrong token",
        413: "too long, or too many texts",
        422: "a field that is missing or wrong",
        429: "the queue is full: try again",
        501: "the model has no codes",
        503: "the service is about to end",
        504: "not done in time",
    }.items()
}


def takes(shape: shapes.Shape) -> dict[str, Any]:
    """Describes the body of a request, as JSON or as a form."""
    schema = shape.model_json_schema()
    kinds = ("application/json", FORM)
    content = {kind: {"schema": schema} for kind in kinds}
    return {"requestBody": {"required": True, "content": content}}
