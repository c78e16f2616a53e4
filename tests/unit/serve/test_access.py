"""Who is let in: for a token, or from this machine."""

import pytest

from tests.unit.serve.doors import TOKEN, Served, refused
from vq_nat.serve.access import Access


def test_work_is_done_for_the_token_alone() -> None:
    with Served(TOKEN) as served:
        assert "must be given" in refused(served.translate("a"), 401)
        wrong = served.translate("a", api_key=TOKEN + "x")
        assert "is another" in refused(wrong, 403)
        assert served.translate("a", api_key=TOKEN).status_code == 200
        for bearer, status in ((TOKEN, 200), ("ünsinn" * 4, 403)):
            headers = {"Authorization": f"Bearer {bearer}".encode()}
            assert served.client.get("/metrics", headers=headers).status_code == status
        refused(served.client.get("/metrics"), 401)
        for path in ("explain", "swap", "compare"):
            refused(served.client.post(f"/v1/{path}", json={"q": "a"}), 401)
        refused(served.client.post("/detect", json={"q": "a"}), 401)
        assert len(served.translator.calls) == 1
        for path in ("/", "/docs", "/health", "/languages", "/v1/model"):
            assert served.client.get(path).status_code == 200


def test_a_strangers_name_does_not_reach_a_service_without_a_token() -> None:
    with Served() as served:
        for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example"):
            response = served.client.get("/v1/model", headers={"Host": host})
            assert "asked as localhost" in refused(response, 403)
        for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"):
            response = served.client.get("/v1/model", headers={"Host": host})
            assert response.status_code == 200
    with Served(TOKEN) as served:
        response = served.client.get("/health", headers={"Host": "name.example"})
        assert response.status_code == 200


ADDRESSES = [
    ("0.0.0.0", None, "a token must be given to listen on 0.0.0.0"),
    ("::", None, "a token must be given"),
    ("name.example", None, "a token must be given"),
    ("127.0.0.1", "short", "must have at least 16 ASCII characters and no space"),
    ("127.0.0.1", "a token with spaces in it", "no space, but has not"),
    ("127.0.0.1", "tökentökentökentöken", "ASCII"),
]


@pytest.mark.parametrize(("host", "token", "sentence"), ADDRESSES, ids=str)
def test_an_open_door_without_a_good_token_is_refused(
    host: str, token: str | None, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Access(host, token)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert Access(host).allows("")
