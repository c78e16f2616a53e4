"""`vq-nat serve`: a process of its own, asked by a client of LibreTranslate."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from libretranslatepy import LibreTranslateAPI

import vq_nat
from vq_nat import engine
from vq_nat.cli import main as cli

pytestmark = pytest.mark.skipif(not engine.available(), reason="no engine")
TOKEN = "a-token-of-many-letters"
TEXTS = ["a b c d e", "k l", "t s r q p o n m"]


class Running:
    """A service in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        place = str(Path(vq_nat.__file__).parents[1])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vq_nat.cli", "serve", *arguments, "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": place, "VQ_NAT_TOKEN": TOKEN},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("en to de at http://127.0.0.1:")
        self.address = line.split()[-1]

    def post(self, path: str, **body: Any) -> Any:
        """Asks as JSON."""
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {TOKEN}",
        }
        data = json.dumps(body).encode()
        with urlopen(Request(self.address + path, data, headers), timeout=60) as answer:
            return json.load(answer)

    def metrics(self) -> str:
        """Returns the service's figures."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with urlopen(Request(self.address + "metrics", headers=headers)) as answer:
            return answer.read().decode()

    def end(self) -> int:
        """Tells the process to end, and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def running(exported_folder: Path) -> Iterator[Running]:
    """A service of the exported student."""
    one = Running(str(exported_folder), "--threads", "1", "--window", "20")
    yield one
    assert one.end() == 0


def test_a_client_of_libretranslate_gets_what_the_model_says(
    running: Running, exported_folder: Path
) -> None:
    client = LibreTranslateAPI(running.address, api_key=TOKEN)
    expected = vq_nat.load(exported_folder).translate(TEXTS)
    assert all(expected) and len({*expected}) == len(TEXTS)
    with ThreadPoolExecutor(len(TEXTS)) as pool:
        answers = list(pool.map(lambda text: client.translate(text, "en", "de"), TEXTS))
    assert answers == expected
    assert [one["code"] for one in client.languages()] == ["en", "de"]
    assert {one["language"] for one in client.detect("The house is old.")} == {
        "en",
        "de",
    }


def test_codes_are_those_of_the_model(running: Running, exported_folder: Path) -> None:
    translator = vq_nat.load(exported_folder)
    explained = running.post("v1/explain", q=TEXTS, alternatives=2)["sentences"]
    assert [one["text"] for one in explained] == translator.translate(TEXTS)
    codes = [[step["codes"] for step in one["steps"]] for one in explained]
    assert codes == translator.codes(TEXTS)
    first = explained[0]
    for place, step in enumerate(first["steps"]):
        for other in step["alternatives"]:
            swapped = [*codes[0][:place], other["codes"], *codes[0][place + 1 :]]
            again = running.post("v1/swap", q=TEXTS[0], codes=swapped, alternatives=0)
            assert again["text"] == other["text"]
            assert [one["codes"] for one in again["steps"]] == swapped


def test_an_exported_model_is_served_without_torch(running: Running) -> None:
    maps = Path(f"/proc/{running.process.pid}/maps").read_text()
    assert "_engine" in maps and "libtorch" not in maps


def test_the_end_waits_for_what_was_taken(exported_folder: Path) -> None:
    running = Running(str(exported_folder), "--threads", "1", "--window", "1500")
    with ThreadPoolExecutor(1) as pool:
        body = {"q": "\n".join(TEXTS), "source": "en", "target": "de"}
        asked = pool.submit(running.post, "translate", **body)
        while "vq_nat_queue_sentences 3.0" not in running.metrics():
            assert not asked.done()
        assert running.end() == 0  # while the sentences wait for others
        answer = asked.result()["translatedText"]
    assert answer.splitlines() == vq_nat.load(exported_folder).translate(TEXTS)


def test_data_that_no_model_reads_is_refused(
    exported_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", str(exported_folder), "--data", "d"]) == 2
    assert "`data` must be None for an exported" in capsys.readouterr().err


def test_a_checkpoint_and_its_teacher_are_opened_as_they_were_asked_for(
    checkpoint: Path,
    tmp_corpus: Path,
    exported_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    services: list[Any] = []
    monkeypatch.setattr("vq_nat.serve.run.serve", lambda *parts: services.append(parts))
    monkeypatch.delenv("VQ_NAT_TOKEN", raising=False)
    data, teacher = ["--data", str(tmp_corpus)], ["--teacher", str(exported_folder)]
    bounds = ["--queue", "7", "--timeout", "3", "--host", "::1", "--port", "1"]
    assert cli.main(["serve", str(checkpoint), *data, *teacher, *bounds]) == 0
    ((service, access, port),) = services
    codes = vq_nat.load(checkpoint).codes(TEXTS)
    assert service.translator.codes(TEXTS) == codes
    assert (
        service.teacher.codes(TEXTS)
        == vq_nat.load(exported_folder).codes(TEXTS)
        != codes
    )
    assert service.translator.teacher is None
    assert (service.limits.queue, service.limits.seconds) == (7, 3.0)
    assert (access.host, access.token, port) == ("::1", None, 1)
    for wrong, sentence in (
        (["--host", "0.0.0.0"], "a token must be given to listen on 0.0.0.0"),
        (["--token", "short"], "the token must have at least 16 ASCII characters"),
        (["--window", "-1"], "`window` must be at least 0"),
        (["--true-codes"], "`true_codes` must be False to serve"),
    ):
        assert cli.main(["serve", str(exported_folder), *wrong]) == 2
        assert sentence in capsys.readouterr().err
