"""Server-sent events as curl, httpx and a browser's EventSource hear them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from pipeline_net.codecs import http

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

Start = Callable[..., str]


@pytest.fixture
def site(start_example: Start) -> str:
    return start_example("server_sent_events.py", "--interval", "0.05").replace("tcp://", "http://")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_hears_the_clock(site: str) -> None:
    with subprocess.Popen(("curl", "-sNi", f"{site}/events"), stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        head = b"".join(iter(curl.stdout.readline, b"\r\n")).decode().lower()
        lines = [curl.stdout.readline() for _ in range(8)]
        curl.terminate()
    for header in ("content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"):
        assert f"{header}\r\n" in head
    assert lines[:4] == [b"retry: 500\n", b"\n", b"event: tick\n", lines[3]]
    assert re.fullmatch(rb"data: \d\d:\d\d:\d\d\n", lines[3])


def test_who_comes_back_has_missed_nothing(site: str) -> None:
    decoder = http.EventStreamDecoder()
    for _ in range(5):
        httpx.post(f"{site}/pushes")
    heard: list[http.ServerSentEvent] = []
    with httpx.stream("GET", f"{site}/events", headers={"last-event-id": "2"}) as response:
        for data in response.iter_raw():
            heard += [event for event in decoder.feed(data) if event.event == "push"]
            if len(heard) >= 3:
                break
    assert [(event.data, event.last_event_id) for event in heard] == [(f"push number {n}", str(n)) for n in (3, 4, 5)]
    assert (decoder.last_event_id, decoder.retry) == ("5", 500)


def _pushes(browser: Chrome, count: int) -> list[str]:
    """Wait until the page shows so many pushes."""
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def shown(driver: Chrome) -> list[str]:
        return [str(item.text) for item in driver.find_elements(By.CSS_SELECTOR, "#pushes li")]

    with suppress(TimeoutException):  # then what is shown says more
        WebDriverWait(browser, 15, poll_frequency=0.05).until(lambda driver: len(shown(driver)) >= count)
    return shown(browser)


def test_a_browser_hears_and_comes_back_where_it_was(site: str, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(site)
    clock = browser.find_element(By.ID, "clock")
    WebDriverWait(browser, 15, poll_frequency=0.05).until(lambda driver: re.fullmatch(r"\d\d:\d\d:\d\d", clock.text))
    browser.find_element(By.TAG_NAME, "button").click()
    assert _pushes(browser, 1) == ["push number 1"]
    httpx.delete(f"{site}/listeners")  # the page will come back in half a second
    for _ in range(3):
        httpx.post(f"{site}/pushes")
    expected = [f"push number {number}" for number in range(1, 5)]
    assert _pushes(browser, 4) == expected
    assert browser.execute_script("return events.readyState") == 1
    browser.get("about:blank")
