"""What requests and answers look like; the OpenAPI description is made from it.

The descriptions of request fields are what a refusal says they must be.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from .limits import Refusal

Text = Annotated[str, Field(description="a text")]
Code = Annotated[int, Field(ge=0, lt=2**31)]
Texts = Annotated[str | list[str], Field(description="a text or a list of texts")]
Swaps = Annotated[int, Field(ge=0, description="a whole number, 0 or more")]
Passes = Annotated[int | None, Field(ge=0, description="a whole number, 0 or more")]


class Request(BaseModel):
    """What all requests may say."""

    api_key: Annotated[str | None, Field(description="a text")] = None


class Translate(Request):
    """A request in the shape of LibreTranslate."""

    q: Texts
    source: Annotated[str, Field(description="the code of a language, or auto")]
    target: Annotated[str, Field(description="the code of a language")]
    format: Annotated[Literal["text", "html"], Field(description="text or html")] = (
        "text"
    )
    alternatives: Swaps = 0


class Detect(Request):
    """A text whose language is asked for."""

    q: Text


class Explain(Request):
    """A text whose codes are asked for."""

    q: Texts
    alternatives: Swaps = 4
    passes: Passes = None


class Swap(Request):
    """A sentence, and the codes to decode it from."""

    q: Text
    codes: Annotated[
        list[list[Code]],
        Field(description="a list of steps, each a list of codes from 0"),
    ]
    alternatives: Swaps = 4
    passes: Passes = None


class Compare(Request):
    """A sentence that each model translates by itself."""

    q: Text
    passes: Passes = None


class Failure(BaseModel):
    """What was wrong, in one sentence."""

    error: str


class DetectedLanguage(BaseModel):
    """A language, and how sure it is in percent."""

    language: str
    confidence: float


class Translated(BaseModel):
    """Translations, one or a list as the request had texts."""

    translatedText: str | list[str]
    detectedLanguage: DetectedLanguage | list[DetectedLanguage] | None = None
    alternatives: list[str] | list[list[str]] | None = None


class Language(BaseModel):
    """A language that is read, and what it can be translated to."""

    code: str
    name: str
    targets: list[str]


class Alternative(BaseModel):
    """Codes that a step could have had instead, and what they would have written."""

    codes: list[int]
    probability: float
    words: str  # of this step
    text: str  # the whole translation
    meaning: list[str | None]


class Step(BaseModel):
    """One step of codes, and the words at its places."""

    codes: list[int]
    probability: float
    words: str
    joined: bool  # whether the last word goes on in the next step
    tokens: list[str]
    meaning: list[str | None]  # what each code stands for most often, if it is known
    alternatives: list[Alternative]


class Pass(BaseModel):
    """The words after a pass of refinement, step by step."""

    words: list[str]
    joined: list[bool]


class Explanation(BaseModel):
    """A sentence with its codes."""

    source: str
    text: str
    score: float
    words_per_code: int
    steps: list[Step]
    passes: list[Pass]


class Explained(BaseModel):
    """The sentences of a request, text by text."""

    sentences: list[Explanation]


Model = Literal["codes", "teacher", "model"]
Codes = Literal["learned", "words", "none"]


class Clock(BaseModel):
    """One model's translation of a sentence by itself, and its time."""

    model: Model
    text: str
    milliseconds: float


class Compared(BaseModel):
    """The models beside each other."""

    repeats: int  # runs of each, whose median is told
    clocks: list[Clock]


class About(BaseModel):
    """What is served."""

    version: str
    source: Language
    target: Language
    codes: Codes
    refines: bool
    teacher: bool
    needs_token: bool
    characters: int
    alternatives: int
    most_passes: int


Shape = type[Request]


def read(shape: Shape, values: dict[str, Any]) -> Any:
    """Returns a request's values, checked.

    Raises:
        Refusal: with a sentence that names the first one that is wrong.
    """
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        name = str(error.errors(include_url=False)[0]["loc"][0])
    if name not in values:
        raise Refusal(422, f"`{name}` must be given, but is not.")
    wanted = shape.model_fields[name].description
    written = repr(values[name])
    shown = written if len(written) <= 40 else f"{written[:40]}…"
    raise Refusal(422, f"`{name}` must be {wanted}, but is {shown} instead.")
