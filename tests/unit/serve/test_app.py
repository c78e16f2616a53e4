"""The doors of the service: answers, bounds, and what is said of what is wrong."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.unit.serve.doors import Served, refused
from tests.unit.serve.fakes import FakeTranslator, settings, wordings
from vq_nat.serve.service import Service

# -- translations ------------------------------------------------------------------


def test_a_text_and_a_list_are_answered_alike(served: Served) -> None:
    text = "A dog runs.\n\n  Two cats sleep. One wakes.\n"
    expected = "W1 W3 W5\n\n  W3 W4 W6 W3 W6\n"
    assert served.translate(text).json() == {"translatedText": expected}
    answer = served.translate([text, "", "a"]).json()
    assert answer == {"translatedText": [expected, "", "W1"]}
    assert served.translator.calls[0] == [
        "A dog runs.",
        "Two cats sleep.",
        "One wakes.",
    ]


def test_requests_that_arrive_together_are_decoded_together(served: Served) -> None:
    texts = [f"{'a' * n} b" for n in range(1, 13)]
    served.translator.gate.clear()
    with ThreadPoolExecutor(13) as pool:
        first = pool.submit(served.translate, "first")
        assert served.translator.begun.wait(5)
        others = [pool.submit(served.translate, text) for text in texts]
        while len(served.service.batcher) < len(texts):
            pass
        served.translator.gate.set()
        answers = [other.result().json()["translatedText"] for other in others]
        assert first.result().json() == {"translatedText": "W5"}
    assert answers == [wordings(text) for text in texts]
    assert [sorted(call) for call in served.translator.calls] == [
        ["first"],
        sorted(texts),
    ]


def test_forms_are_read_as_libretranslate_reads_them(served: Served) -> None:
    form = {"q": ["ä &", "b"], "source": "en", "target": "de", "alternatives": "2"}
    answer = served.client.post("/translate", data=form).json()
    assert answer["translatedText"] == ["W1 W1", "W1"]
    assert answer["alternatives"] == [["W1 W1!", "W1 W1!!"], ["W1!", "W1!!"]]


def test_who_asks_for_alternatives_is_not_given_less_to_choose_from(
    served: Served,
) -> None:
    own = served.translator
    for candidates, most in ((1, 3), (8, 8)):
        own.own_candidates = candidates
        answer = served.translate("A dog", alternatives=2).json()
        assert answer["alternatives"] == ["W1 W3!", "W1 W3!!"]
        assert own.asked[-1].candidates == most


def test_who_asks_for_alternatives_gets_the_same_translation(served: Served) -> None:
    """A search for more candidates may prefer another: it is an alternative."""
    own = served.translator
    alone = served.translate("A dog").json()["translatedText"]
    usual = own._nbest
    own._nbest = lambda lines, asked: [of_one[::-1] for of_one in usual(lines, asked)]
    own._texts = lambda lines, asked: [h[-1].text for h in own._nbest(lines, asked)]
    answer = served.translate("A dog", alternatives=2).json()
    assert answer["translatedText"] == alone
    assert answer["alternatives"] == [f"{alone}!!", f"{alone}!"]


def test_alternatives_of_several_sentences_go_rank_by_rank(served: Served) -> None:
    answer = served.translate("A dog. A cat.", alternatives=1).json()
    assert answer["alternatives"] == ["W1 W4! W1 W4!"]


def test_html_is_translated_between_its_tags(served: Served) -> None:
    html = "<p title='x'>A dog<br>a <b>cat &amp; I</b></p>"
    answer = served.translate(html, format="html").json()["translatedText"]
    assert answer == "<p title='x'>W1 W3<br>W1 <b>W3 W1 W1</b></p>"
    plain = served.translate("<b>x</b>").json()["translatedText"]
    assert plain == "W8"


def test_a_language_is_detected_and_its_text_left_alone(served: Served) -> None:
    texts = [
        "The house has a garden and a tree.",
        "Das Haus hat einen Garten.",
    ]
    answer = served.translate(texts, source="auto").json()
    assert answer["translatedText"] == [wordings(texts[0]), texts[1]]
    languages = [one["language"] for one in answer["detectedLanguage"]]
    assert languages == ["en", "de"]
    detected = served.client.post("/detect", json={"q": texts[1]}).json()
    assert detected[0]["language"] == "de" and detected[0]["confidence"] > 50
    languages = served.client.get("/languages").json()
    assert languages[0] == {"code": "en", "name": "English", "targets": ["de"]}


# -- codes -------------------------------------------------------------------------


def test_codes_are_shown_with_their_words_and_what_else_they_could_be() -> None:
    with Served(meanings={(0, 3): "ein Hund"}) as served:
        body = {"q": "A dog. It runs.", "alternatives": 2, "passes": 1}
        first, second = served.client.post("/v1/explain", json=body).json()["sentences"]
    assert (first["source"], first["text"]) == ("A dog.", "W1 W4")
    assert second["source"] == "It runs."
    step = first["steps"][1]
    assert (step["codes"], step["words"], step["probability"]) == ([4], "W4", 0.5)
    assert [one["codes"] for one in step["alternatives"]] == [[5], [6]]
    assert step["alternatives"][0]["text"] == "W1 W5"
    assert step["alternatives"][0]["words"] == "W5"
    assert first["steps"][0]["alternatives"][0]["text"] == "W2 W4"
    assert first["steps"][0]["alternatives"][1]["meaning"] == ["ein Hund"]
    assert step["meaning"] == [None]
    assert [one["words"] for one in first["passes"]] == [["W1", "Wx"], ["W1", "W4"]]


def test_a_sentence_is_decoded_from_other_codes(served: Served) -> None:
    body = {"q": "A dog. It", "codes": [[7], [9]], "alternatives": 0}
    swapped = served.client.post("/v1/swap", json=body).json()
    assert swapped["text"] == "W7 W9" and swapped["source"] == "A dog. It"
    assert [step["codes"] for step in swapped["steps"]] == [[7], [9]]


BAD_CODES = [
    ([], "`codes` must have from 1 to 20 steps, but have 0"),
    ([[1]] * 21, "`codes` must have from 1 to 20 steps, but have 21"),
    ([[1, 2]], "must have 1 codes, one of each slice, but one has 2"),
    ([[100]], "`codes` must be from 0 to 99, but one is 100"),
    ([[-1]], "`codes` must be a list of steps, each a list of codes from 0"),
    ([["a"]], "`codes` must be a list of steps"),
    ("x", "`codes` must be a list of steps"),
]


@pytest.mark.parametrize(("codes", "sentence"), BAD_CODES, ids=str)
def test_codes_that_a_model_cannot_have_are_refused(
    served: Served, codes: Any, sentence: str
) -> None:
    response = served.client.post("/v1/swap", json={"q": "a", "codes": codes})
    assert sentence in refused(response, 422)


def test_a_model_without_codes_says_so(served: Served) -> None:
    response = served.client.post("/v1/explain", json={"q": "a"})
    assert response.status_code == 200
    served.translator.has_codes = False
    response = served.client.post("/v1/explain", json={"q": "a"})
    assert "must have codes" in refused(response, 501)


def test_words_that_belong_to_no_code_are_not_shown_beside_codes(
    served: Served,
) -> None:
    served.translator.has_places = False
    response = served.client.post("/v1/explain", json={"q": "a"})
    assert "must have `alignment` 'positions'" in refused(response, 501)
    assert Service(served.translator, settings()).codes == "none"


def test_models_are_compared_by_their_clocks() -> None:
    with Served(teacher=True) as served:
        compared = served.client.post("/v1/compare", json={"q": "A dog"}).json()
        assert [one["model"] for one in compared["clocks"]] == ["codes", "teacher"]
        assert all(one["text"] == "W1 W3" for one in compared["clocks"])
        assert all(one["milliseconds"] >= 0 for one in compared["clocks"])
        assert served.teacher is not None
        assert len(served.teacher.calls) == compared["repeats"]


def test_a_teacher_of_other_languages_is_refused() -> None:
    teacher = FakeTranslator()
    teacher.languages = ("en", "fr")
    with pytest.raises(ValueError, match="`teacher` must translate en to de, but"):
        Service(FakeTranslator(), settings(), teacher)


# -- bounds ------------------------------------------------------------------------

WRONG = [
    ({"source": None}, 422, "`source` must be the code of a language, or auto, but is"),
    ({"source": "fr"}, 422, "`source` must be en or auto, but is 'fr' instead"),
    ({"target": "en"}, 422, "`target` must be de, but is 'en' instead"),
    ({"q": 5}, 422, "`q` must be a text or a list of texts, but is 5 instead"),
    ({"q": ["a", None]}, 422, "`q` must be a text or a list of texts"),
    ({"format": "pdf"}, 422, "`format` must be text or html, but is 'pdf' instead"),
    ({"alternatives": 9}, 422, "`alternatives` must be at most 8, but is 9 instead"),
    ({"alternatives": -1}, 422, "`alternatives` must be a whole number, 0 or more"),
    ({"q": "a" * 101}, 413, "a text must have at most 100 characters, but has 101"),
    ({"q": ["a"] * 4}, 413, "`q` must have at most 3 texts, but has 4 instead"),
    ({"q": "a\n" * 6}, 413, "a request must have at most 5 sentences, but has more"),
    ({"q": "a" * 3000}, 413, "a request must have at most 2000 bytes"),
]


@pytest.mark.parametrize(("changes", "status", "sentence"), WRONG, ids=str)
def test_what_is_not_served_is_refused_in_a_sentence(
    changes: dict[str, Any], status: int, sentence: str
) -> None:
    with Served(characters=100, texts=3, queue=5, body=2000) as served:
        assert sentence in refused(served.translate(**{"q": "a", **changes}), status)
        assert served.translator.calls == []


BODIES = [
    (b"{", "application/json", 422, "the body must be JSON in UTF-8, but is not"),
    (b"[" * 1500, "application/json", 422, "the body must be JSON in UTF-8"),
    (b"[1]", "application/json", 422, "the body must be a JSON object"),
    (b'{"q": "\xff"}', "application/json", 422, "the body must be JSON in UTF-8"),
    (
        rb'{"q": "\ud800", "source": "en", "target": "de"}',
        "application/json",
        422,
        "a text must be Unicode, but has half a surrogate pair",
    ),
    (b"{}", "application/json", 422, "`q` must be given, but is not"),
    (b"q=%ff", "application/x-www-form-urlencoded", 422, "must be a form in UTF-8"),
    (b"q=a", "multipart/form-data; boundary=x", 415, "but is neither"),
]


@pytest.mark.parametrize(("body", "kind", "status", "sentence"), BODIES, ids=repr)
def test_bodies_that_cannot_be_read_are_refused(
    served: Served, body: bytes, kind: str, status: int, sentence: str
) -> None:
    response = served.client.post(
        "/translate", content=body, headers={"Content-Type": kind}
    )
    assert sentence in refused(response, status)


def test_a_body_that_does_not_tell_its_length_is_bounded_all_the_same() -> None:
    with Served(body=100) as served:
        read = []

        def endless() -> Iterator[bytes]:
            for _ in range(1000):
                read.append(1)
                yield b" " * 50

        response = served.client.post("/translate", content=endless())
        assert "at most 100 bytes" in refused(response, 413)


def test_a_full_queue_and_a_late_answer_are_said() -> None:
    with Served(queue=2, seconds=0.2) as served:
        served.translator.gate.clear()
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(served.translate, "a")
            assert served.translator.begun.wait(5)
            second = pool.submit(served.translate, ["b", "c"])
            while len(served.service.batcher) < 2:
                pass
            response = served.translate("d")
            assert "room for 1 more, but 2 of 2" in refused(response, 429)
            assert response.headers["Retry-After"] == "1"
            assert "must be there in 0.2 s" in refused(first.result(), 504)
            refused(second.result(), 504)


def test_a_fault_is_told_without_what_is_inside(served: Served) -> None:
    sentence = refused(served.translate("fail"), 500)
    assert "asked to" not in sentence and "log" in sentence
    assert served.translate("a").json() == {"translatedText": "W1"}


def test_addresses_that_are_none_are_told(served: Served) -> None:
    assert "nothing at this address" in refused(served.client.get("/x"), 404)
    assert "another method" in refused(served.client.get("/translate"), 405)
    refused(served.client.get("/static/../service.py"), 404)


# -- pages and figures -------------------------------------------------------------


def test_pages_load_nothing_from_elsewhere(served: Served) -> None:
    for path in ("/", "/docs"):
        response = served.client.get(path)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "http" not in response.text.replace("http-equiv", "")
        for name in ("script", "link", "img"):
            for tag in response.text.split(f"<{name} ")[1:]:
                own = tag.partition('="/')[2].partition('"')[0]
                assert served.client.get(f"/{own}").status_code == 200, tag


def test_the_description_of_the_doors_names_them_all(served: Served) -> None:
    paths = served.client.get("/openapi.json").json()["paths"]
    assert {"/translate", "/languages", "/detect", "/v1/explain", "/v1/swap"} <= {
        *paths
    }
    body = paths["/translate"]["post"]["requestBody"]["content"]
    schema = body["application/json"]["schema"]
    assert schema["required"] == ["q", "source", "target"]


def test_figures_count_what_was_served(served: Served) -> None:
    served.translate(["a", "b", "c"])
    served.translate(5)
    served.client.get("/no/such/path")
    lines = served.client.get("/metrics").text.splitlines()
    for line in (
        'vq_nat_requests_total{path="/translate",status="200"} 1.0',
        'vq_nat_requests_total{path="/translate",status="422"} 1.0',
        'vq_nat_requests_total{path="other",status="404"} 1.0',
        "vq_nat_batch_sentences_sum 3.0",
        "vq_nat_batch_sentences_count 1.0",
        "vq_nat_queue_sentences 0.0",
    ):
        assert line in lines


def test_health_follows_the_service() -> None:
    served = Served()
    with served:
        assert served.client.get("/health").json() == {"status": "ok"}
    assert served.service.batcher.closing
    late = TestClient(served.client.app, base_url="http://127.0.0.1")
    assert late.get("/health").status_code == 503
    response = late.post("/translate", json={"q": "a", "source": "en", "target": "de"})
    assert "about to end" in refused(response, 503)
