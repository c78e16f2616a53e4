"""When the service ends."""

import signal
import threading
from typing import Any

import pytest
import uvicorn

from tests.unit.serve.fakes import FakeTranslator
from vq_nat.serve.access import Access
from vq_nat.serve.limits import Limits
from vq_nat.serve.run import serve
from vq_nat.serve.service import Service


def test_a_signal_before_the_server_runs_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, late = uvicorn.Server.run, []

    def told_to_end(server: uvicorn.Server, **options: Any) -> None:
        def end() -> None:
            late.append(True)
            server.should_exit = True

        signal.raise_signal(signal.SIGTERM)
        timer = threading.Timer(20, end)
        timer.start()
        run(server, **options)
        timer.cancel()

    monkeypatch.setattr(uvicorn.Server, "run", told_to_end)
    before = signal.getsignal(signal.SIGTERM)
    try:
        serve(Service(FakeTranslator(), Limits()), Access("127.0.0.1", None), 0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "en to de at http://127.0.0.1:" in capsys.readouterr().out
    assert not late
