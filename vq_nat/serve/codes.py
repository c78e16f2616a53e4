"""The doors of what LibreTranslate has not: codes, their words, and clocks."""

from fastapi import APIRouter, Request

from .. import __version__
from . import shapes
from .bodies import asked
from .describing import FAILURES, takes
from .libre import languages_of
from .service import Service

router = APIRouter(prefix="/v1", tags=["codes"])


@router.get("/model")
async def model(request: Request) -> shapes.About:
    """Tells what is served, and within which bounds."""
    state = request.app.state
    service: Service = state.service
    source, target = languages_of(service)
    return shapes.About(
        version=__version__,
        source=source,
        target=target,
        codes=service.codes,
        refines=service.translator.sees_words,
        teacher=service.teacher is not None,
        needs_token=state.access.token is not None,
        characters=service.limits.characters,
        alternatives=service.limits.alternatives,
        most_passes=service.limits.passes,
    )


@router.post("/explain", responses=FAILURES, openapi_extra=takes(shapes.Explain))
async def explain(request: Request) -> shapes.Explained:
    """Shows each sentence's codes, the words each one wrote, and what else it could be.

    An alternative comes with the translation that results if this code alone is it.
    """
    wanted = await asked(request, shapes.Explain)
    service: Service = request.app.state.service
    texts = wanted.q if isinstance(wanted.q, list) else [wanted.q]
    service.limits.check_texts(texts)
    pictures = await service.explain(
        texts, alternatives=wanted.alternatives, passes=wanted.passes
    )
    return shapes.Explained(sentences=pictures)


@router.post("/swap", responses=FAILURES, openapi_extra=takes(shapes.Swap))
async def swap(request: Request) -> shapes.Explanation:
    """Decodes one sentence from given codes, and shows it as `explain` does."""
    wanted = await asked(request, shapes.Swap)
    service: Service = request.app.state.service
    service.limits.check_texts([wanted.q])
    return await service.swap(
        wanted.q,
        wanted.codes,
        alternatives=wanted.alternatives,
        passes=wanted.passes,
    )


@router.post("/compare", responses=FAILURES, openapi_extra=takes(shapes.Compare))
async def compare(request: Request) -> shapes.Compared:
    """Translates a sentence by each model, one after the other, and looks at the clock.

    Nothing else is decoded meanwhile.
    """
    wanted = await asked(request, shapes.Compare)
    service: Service = request.app.state.service
    service.limits.check_texts([wanted.q])
    return await service.compare(wanted.q, wanted.passes)
