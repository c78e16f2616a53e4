"""The doors in the shape of LibreTranslate's, so that its clients work."""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from . import shapes
from .bodies import asked
from .describing import FAILURES, takes
from .languages import Detected, detect, name_of
from .limits import Refusal
from .service import Service, Translation

router = APIRouter(tags=["as LibreTranslate"])


@router.post(
    "/translate",
    responses={200: {"model": shapes.Translated}, **FAILURES},
    openapi_extra=takes(shapes.Translate),
)
async def translate(request: Request) -> JSONResponse:
    """Translates a text, or each text of a list.

    With `source` auto, a text that is in the target language already stays as it is.
    """
    wanted = await asked(request, shapes.Translate)
    service: Service = request.app.state.service
    source, target = service.languages
    if wanted.source not in (source, "auto"):
        raise Refusal(
            422,
            f"`source` must be {source} or auto, but is {wanted.source[:40]!r} "
            "instead.",
        )
    if wanted.target != target:
        raise Refusal(
            422, f"`target` must be {target}, but is {wanted.target[:40]!r} instead."
        )
    texts = wanted.q if isinstance(wanted.q, list) else [wanted.q]
    service.limits.check_texts(texts)
    languages = await detected(service, texts) if wanted.source == "auto" else []
    outputs = await service.translate(
        texts if not languages else blank(texts, languages, target),
        wanted.format == "html",
        wanted.alternatives,
    )
    for i, language in enumerate(languages):
        if language.language == target:
            outputs[i] = Translation(texts[i], [])
    return JSONResponse(answer(wanted, outputs, languages))


def blank(texts: list[str], languages: list[Detected], target: str) -> list[str]:
    """Leaves out the texts that are in the target language."""
    return [
        "" if language.language == target else text
        for text, language in zip(texts, languages)
    ]


def answer(
    wanted: shapes.Translate, outputs: list[Translation], languages: list[Detected]
) -> dict[str, object]:
    """Puts an answer together: for one text without lists."""
    fields: dict[str, list[object]] = {"translatedText": [one.text for one in outputs]}
    if languages:
        fields["detectedLanguage"] = [one._asdict() for one in languages]
    if wanted.alternatives:
        fields["alternatives"] = [one.alternatives for one in outputs]
    if isinstance(wanted.q, list):
        return {**fields}
    return {name: values[0] for name, values in fields.items()}


async def detected(service: Service, texts: list[str]) -> list[Detected]:
    """Tells each text's language; the first time it takes a second."""

    def tell() -> list[Detected]:
        return [detect(text, service.languages)[0] for text in texts]

    return await asyncio.to_thread(tell)


@router.post(
    "/detect",
    responses={200: {"model": list[shapes.DetectedLanguage]}, **FAILURES},
    openapi_extra=takes(shapes.Detect),
)
async def detect_language(request: Request) -> JSONResponse:
    """Tells which of the model's two languages a text is in, the likeliest first."""
    wanted = await asked(request, shapes.Detect)
    service: Service = request.app.state.service
    service.limits.check_texts([wanted.q])
    languages = await asyncio.to_thread(detect, wanted.q, service.languages)
    return JSONResponse([one._asdict() for one in languages])


@router.get("/languages")
async def languages(request: Request) -> list[shapes.Language]:
    """Lists the languages: the one that is read, and the one that is written."""
    return list(languages_of(request.app.state.service))


def languages_of(service: Service) -> tuple[shapes.Language, shapes.Language]:
    """Describes source and target."""
    source, target = service.languages
    return (
        shapes.Language(code=source, name=name_of(source), targets=[target]),
        shapes.Language(code=target, name=name_of(target), targets=[]),
    )
