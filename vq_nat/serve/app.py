"""The application: doors, pages, and what becomes of an error."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from string import Template

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from .. import __version__
from . import codes, libre
from .access import Access
from .bodies import check_token
from .gate import Gate, failure
from .limits import Refusal
from .service import Service

STATIC = Path(__file__).parent / "static"


def create_app(service: Service, access: Access) -> FastAPI:
    """Puts the application together.

    Args:
        service: does the work; it begins and ends with the application.
        access: who may ask.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.batcher.start()
        yield
        await service.batcher.close()

    app = FastAPI(
        title="vq-nat",
        version=__version__,
        description="Translation by discrete latent variables.",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service, app.state.access = service, access
    app.state.limits = service.limits
    app.include_router(libre.router)
    app.include_router(codes.router)
    add_watching(app)
    add_pages(app)
    add_failures(app)
    paths = frozenset(app.openapi()["paths"]) | {"/", "/docs", "/openapi.json"}
    app.add_middleware(
        Gate,
        access=access,
        limits=service.limits,
        metrics=service.metrics,
        paths=paths,
    )
    return app


def add_watching(app: FastAPI) -> None:
    """Adds what tells how the service does."""

    @app.get("/health", tags=["service"])
    async def health() -> JSONResponse:
        """Tells whether the service takes requests."""
        if app.state.service.batcher.serves:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "closed"}, 503)

    @app.get("/metrics", tags=["service"])
    async def metrics(request: Request) -> Response:
        """Tells figures in Prometheus' text format."""
        check_token(request, app.state.access)
        return Response(
            app.state.service.metrics.text(), media_type=CONTENT_TYPE_LATEST
        )


def add_pages(app: FastAPI) -> None:
    """Adds the pages, which come from the package alone."""
    frame = Template((STATIC / "frame.html").read_text("utf-8"))

    def add(path: str, name: str, title: str) -> None:
        body = (STATIC / f"{name}.html").read_text("utf-8")
        text = frame.substitute(name=name, title=title, body=body)

        @app.get(path, include_in_schema=False)
        async def page() -> HTMLResponse:
            return HTMLResponse(text, headers={"Cache-Control": "no-cache"})

    add("/", "page", "sentences and their codes")
    add("/docs", "docs", "the API")
    app.mount("/static", StaticFiles(directory=STATIC))


def add_failures(app: FastAPI) -> None:
    """Adds what says in one sentence what is wrong."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> JSONResponse:
        return failure(error)

    @app.exception_handler(HTTPException)
    async def not_there(request: Request, error: HTTPException) -> JSONResponse:
        sentences = {
            404: "there is nothing at this address; /docs tells what there is.",
            405: "this address must be asked by another method; /docs tells which.",
        }
        sentence = sentences.get(error.status_code, str(error.detail))
        return failure(Refusal(error.status_code, sentence))

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        return failure(Refusal(500, "the service failed; its log says why."))
