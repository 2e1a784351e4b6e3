"""The alarm clock: what it calls exists, and one step that fails holds up no other."""

import pytest

from marketplace.celery import app, every, schedule, wake


def steps(entry: dict) -> list[str]:
    return entry["args"][0] if entry["task"] == wake.name else [entry["task"]]


def test_every_step_of_the_schedule_is_a_task_and_is_called_once():
    app.loader.import_default_modules()
    named = [name for entry in schedule().values() for name in steps(entry)]
    assert len(named) == len(set(named))
    own = {name for name in app.tasks if name.startswith(("marketplace.", "ledger."))} - {wake.name}
    assert set(named) == own


def test_a_wake_up_expires_after_its_own_pace():
    assert every(10, "a")["options"] == {"expires": 20}
    assert every(1, "a", "b")["options"] == {"expires": 5}


def test_a_step_that_fails_holds_up_no_other_and_is_logged(caplog: pytest.LogCaptureFixture):
    called = []

    @app.task(name="tests.breaks")
    def breaks() -> None:
        called.append("breaks")
        raise ArithmeticError("broken")

    @app.task(name="tests.works")
    def works() -> None:
        called.append("works")

    try:
        wake(["tests.breaks", "tests.works"])
    finally:
        del app.tasks["tests.breaks"], app.tasks["tests.works"]
    assert called == ["breaks", "works"]
    assert "tests.breaks failed" in caplog.text and "broken" in caplog.text
