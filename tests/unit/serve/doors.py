"""A service in this process, asked through its doors."""

from typing import Any

from fastapi.testclient import TestClient

from tests.unit.serve.fakes import FakeTranslator, settings
from vq_nat.serve.access import Access
from vq_nat.serve.app import create_app
from vq_nat.serve.service import Service

TOKEN = "a-token-of-many-letters"


class Served:
    """A service in this process, and what it is made of."""

    def __init__(self, token: str | None = None, **options: Any) -> None:
        meanings = options.pop("meanings", None)
        self.translator = FakeTranslator()
        self.teacher = FakeTranslator() if options.pop("teacher", False) else None
        self.service = Service(
            self.translator, settings(**options), self.teacher, meanings
        )
        app = create_app(self.service, Access("127.0.0.1", token))
        self.client = TestClient(
            app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False
        )

    def __enter__(self) -> "Served":
        self.client.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.translator.gate.set()
        self.client.__exit__(*error)

    def translate(self, q: Any, **changes: Any) -> Any:
        """Asks for a translation."""
        body = {"q": q, "source": "en", "target": "de", **changes}
        return self.client.post("/translate", json=body)


def refused(response: Any, status: int) -> str:
    """Returns the sentence of a refusal: one, and nothing else."""
    assert response.status_code == status, response.text
    answer = response.json()
    assert list(answer) == ["error"]
    assert answer["error"].endswith(".")
    return answer["error"]
