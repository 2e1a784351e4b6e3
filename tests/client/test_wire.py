"""Requests and their faults, over real sockets: what is tried again, and what an error promises."""

import json

import pytest

from suan.client import wire
from suan.client.api import Suan
from suan.client.errors import Rejected, SuanError, UnknownOutcome, Unreachable, UsageError
from tests.client.exchange import Answerer, Reply, Request, exchange
from tests.ports import free_port


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PAUSE_SECONDS", 0.001)


def in_turn(*replies: Reply) -> Answerer:
    """Each request gets the next reply, the last one stays."""
    waiting = list(replies)
    return lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def test_an_exchange_that_is_not_there_changes_nothing() -> None:
    with pytest.raises(Unreachable, match="nothing was changed") as caught:
        Suan(f"http://127.0.0.1:{free_port()}", attempts_max=3).get("/market")
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("status", (429, 503))
def test_a_busy_exchange_is_asked_again(status: int) -> None:
    with exchange(in_turn(Reply(status), Reply(status), Reply(document={"ok": 1}))) as server:
        assert Suan(server.url).post("/bids", {"a": 1}) == {"ok": 1}
        assert len(server.requests) == 3
        assert [request.json() for request in server.requests] == [{"a": 1}] * 3


def test_a_busy_exchange_is_given_up_after_so_many_attempts() -> None:
    with exchange(in_turn(Reply(503))) as server:
        with pytest.raises(Unreachable, match="HTTP 503; nothing was changed"):
            Suan(server.url, attempts_max=4).get("/market")
        assert len(server.requests) == 4


def test_the_exchange_says_how_long_to_wait() -> None:
    pause = wire.Wire("http://127.0.0.1")._pause
    assert pause(1, wire.Busy("", 3)) == 3
    assert pause(1, wire.Busy("", 99_999)) == wire.PAUSE_SECONDS_MAX
    assert pause(30, Unreachable("")) == wire.PAUSE_SECONDS_MAX


def test_a_lost_answer_to_a_post_is_an_unknown_outcome_even_if_the_exchange_is_gone_afterwards() -> None:
    with exchange(in_turn(Reply(0))) as server:
        market = Suan(server.url, attempts_max=2)
        with pytest.raises(
            UnknownOutcome, match="may have been carried out; the same call again is safe"
        ) as caught:
            market.post("/bids", {})
        assert caught.value.exit_code == 4
        assert len(server.requests) == 2


def test_what_may_not_be_repeated_is_sent_once_and_says_to_look_first() -> None:
    with exchange(in_turn(Reply(0))) as server:
        with pytest.raises(UnknownOutcome, match="look at your account before you send it again"):
            Suan(server.url).post("/account/withdrawals", {}, repeatable=False)
        assert len(server.requests) == 1


def test_an_unknown_outcome_stays_unknown_when_the_next_attempt_finds_nobody() -> None:
    def answer(_: Request) -> Reply:
        server_is[0].url  # noqa: B018
        market._wire._http.base_url = f"http://127.0.0.1:{free_port()}/api/v1"
        return Reply(0)

    server_is = []
    with exchange(answer) as server:
        server_is.append(server)
        market = Suan(server.url, attempts_max=3)
        with pytest.raises(UnknownOutcome):
            market.post("/bids", {})


def test_a_lost_answer_to_a_read_changed_nothing() -> None:
    with exchange(in_turn(Reply(0), Reply(502), Reply(document=[]))) as server:
        assert Suan(server.url).get("/orders") == []
    with exchange(in_turn(Reply(0))) as server, pytest.raises(Unreachable, match="nothing was changed"):
        Suan(server.url, attempts_max=2).get("/orders")


def test_a_refusal_is_told_with_field_reason_and_code_and_not_tried_again() -> None:
    problem = {
        "title": "Refused",
        "detail": "limit_price: too low",
        "code": "refused",
        "errors": [{"pointer": "/limit_price", "detail": "must be at least 0.01", "code": "too_low"}],
    }
    with exchange(in_turn(Reply(422, problem))) as server:
        with pytest.raises(Rejected, match=r"/limit_price: must be at least 0.01 \[too_low\]") as caught:
            Suan(server.url).post("/bids", {})
        assert (caught.value.status, caught.value.code, caught.value.exit_code) == (422, "too_low", 3)
        assert len(server.requests) == 1


@pytest.mark.parametrize("body", (b"<html>not found</html>", b"[1]", b"\xff\xfe", b""))
def test_a_refusal_in_another_form_is_still_a_refusal(body: bytes) -> None:
    with (
        exchange(in_turn(Reply(404, body=body))) as server,
        pytest.raises(Rejected, match="404|html|not found|."),
    ):
        Suan(server.url).get("/market")


def test_an_answer_that_is_no_json_names_the_address_as_the_likely_mistake() -> None:
    with exchange(in_turn(Reply(body=b"<html>"))) as server, pytest.raises(SuanError, match="--url"):
        Suan(server.url).get("/market")


def test_a_redirect_is_not_followed() -> None:
    reply = Reply(301, headers={"Location": "http://127.0.0.1:1/"})
    with exchange(in_turn(reply)) as server, pytest.raises(UsageError, match="elsewhere"):
        Suan(server.url).get("/market")


def test_an_answer_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "ANSWER_BYTES_MAX", 1000)
    with exchange(in_turn(Reply(body=b"x" * 1001))) as server, pytest.raises(SuanError, match="1000 bytes"):
        Suan(server.url).download("0x" + "00" * 32)


def test_bytes_with_another_hash_are_not_believed() -> None:
    with exchange(in_turn(Reply(body=b"other"))) as server, pytest.raises(SuanError, match="another hash"):
        Suan(server.url).download("0x" + "00" * 32)
    with (
        exchange(in_turn(Reply(document={"sha256": "0x00"}))) as server,
        pytest.raises(SuanError, match="other bytes"),
    ):
        Suan(server.url).upload(b"mine")


@pytest.mark.parametrize("url", ("", "127.0.0.1:8000", "ftp://x"))
def test_an_address_that_is_none_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="http://"):
        Suan(url)


def test_a_key_that_no_header_can_carry_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="sk_"):
        Suan("http://127.0.0.1:1", api_key="sk_ключ")


def test_all_pages_are_read_and_a_list_without_end_is_refused() -> None:
    def answer(request: Request) -> Reply:
        return Reply(
            document={"results": [request.path], "next": None if "cursor=b" in request.path else "b"}
        )

    with exchange(answer) as server:
        assert len(list(Suan(server.url).pages("/orders", limit=1))) == 2
    with exchange(in_turn(Reply(document={"results": [1], "next": "a"}))) as server:
        with pytest.raises(SuanError, match="does not end"):
            list(Suan(server.url).pages("/orders"))


def test_the_api_key_travels_in_the_authorization_header() -> None:
    with exchange(in_turn(Reply(document={}))) as server:
        Suan(server.url, api_key="sk_secret").account()
        assert server.requests[0].headers["Authorization"] == "Bearer sk_secret"
        assert json.dumps(server.requests[0].path) == '"/api/v1/account"'
