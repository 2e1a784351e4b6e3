"""Whatever a client sends to accounts and book, the answer is never a 5xx, and an error is always a problem."""

import re

import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from schemathesis import GenerationMode

from tests.book.market import custodial

OURS = re.compile(r"/api/v1/(account|session|api-keys|nodes|market|artifacts$|bids|offers|orders)")
THEIRS = re.compile(r"/(explain|trades)$")
EXAMPLES_MAX = 25


def test_nothing_that_is_sent_makes_a_server_error(open_market, settings):
    from marketplace.wsgi import application

    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_CLASSES": []}
    person = custodial("fuzzer", tokens=10)
    schema = schemathesis.openapi.from_wsgi("/api/schema", application)
    seen: dict[int, int] = {}
    checked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if not OURS.match(operation.path) or THEIRS.search(operation.path):
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @given(case=operation.as_strategy(generation_mode=mode))
            @examples(
                max_examples=EXAMPLES_MAX,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
                derandomize=True,
            )
            def send(case) -> None:
                answer = case.call(headers={"Authorization": f"Bearer {person.api_key_text}"})
                seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
                assert answer.status_code < 500, (case.as_curl_command(), answer.text)
                if answer.status_code >= 400:
                    assert answer.headers["content-type"] == ["application/problem+json"], answer.headers

            try:
                send()
            except Exception as error:
                if "Unsatisfiable" in type(error).__name__:
                    continue  # Nothing can be wrong about a call without parameters.
                raise
            checked += 1
    assert checked > 25
    assert {200, 422} <= set(seen), seen
