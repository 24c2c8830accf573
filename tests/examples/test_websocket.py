"""The WebSocket examples, as processes, with real browsers and other people's clients."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from .conftest import EXAMPLES

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

Start = Callable[..., str]

_WAIT = 20.0  # seconds; on a busy machine


def _ws(address: str, path: str = "/") -> str:
    return address.replace("tcp://", "ws://") + path


def _client(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "ws_client.py"), *arguments]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("options", [[], ["--deflate"]])
def test_the_echo(start_example: Start, options: list[str]) -> None:
    address = start_example("ws_echo.py", *options)
    with connect(_ws(address), proxy=None) as ws:
        for message in ("hello", b"\0\1", "ä" * 50_000):
            ws.send(message)
            assert ws.recv() == message


def test_the_client(start_example: Start) -> None:
    address = start_example("ws_echo.py")
    asked = _client(_ws(address), "hello", "wörld")
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "hello\nwörld\n", "")
    typed = _client(_ws(address), typed="")
    assert (typed.returncode, typed.stdout, typed.stderr) == (0, "", "")


def test_the_client_is_refused(start_example: Start) -> None:
    address = start_example("ws_chat.py")
    refused = _client(_ws(address, "/nowhere"), "hello")
    assert refused.returncode == 1
    assert "answered 404 Not Found" in refused.stderr


def test_the_client_types_in_the_chat(start_example: Start) -> None:
    address = start_example("ws_chat.py")
    with connect(_ws(address, "/chat?name=Ada"), proxy=None) as ada:
        assert json.loads(ada.recv()) == {"name": "Ada", "text": "is here"}
        _client(_ws(address, "/chat?name=Bob"), typed="hello\n")
        said = [json.loads(ada.recv(_WAIT))["text"] for _ in range(3)]
        assert said == ["is here", "hello", "has left"]


def test_the_chat_takes_no_pages_of_others(start_example: Start) -> None:
    address = start_example("ws_chat.py")
    with pytest.raises(InvalidStatus, match="403"):
        connect(_ws(address, "/chat"), origin=Origin("https://evil.example"), proxy=None)
    with connect(_ws(address, "/chat"), proxy=None) as ws:
        ws.send(b"bytes")
        while True:
            try:
                ws.recv(_WAIT)
            except Exception:  # noqa: BLE001 - it is looked at below
                break
        assert (ws.close_code, ws.close_reason) == (1003, "text only")


def test_two_windows_talk_to_each_other(start_example: Start, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    page = start_example("ws_chat.py").replace("tcp", "http")
    wait = WebDriverWait(browser, _WAIT)

    def log() -> list[str]:
        return [line.text for line in browser.find_elements(By.CSS_SELECTOR, "#log li")]

    def say(text: str) -> None:
        browser.find_element(By.ID, "text").send_keys(text, Keys.ENTER)

    browser.get(f"{page}/?name=Ada")
    ada = browser.current_window_handle
    wait.until(lambda _: "you are Ada" in browser.find_element(By.ID, "state").text)
    browser.switch_to.new_window("tab")
    bob = browser.current_window_handle
    browser.get(f"{page}/?name=Bob")
    wait.until(lambda _: "you are Bob" in browser.find_element(By.ID, "state").text)
    say("Hello <b>Ada</b> ä€")
    browser.switch_to.window(ada)
    wait.until(lambda _: "Bob Hello <b>Ada</b> ä€" in log() or "BobHello <b>Ada</b> ä€" in log())
    say("Hello Bob")
    browser.switch_to.window(bob)
    wait.until(lambda _: log()[-1].removeprefix("Ada").strip() == "Hello Bob")
    browser.close()
    browser.switch_to.window(ada)
    wait.until(lambda _: log()[-1].removeprefix("Bob").strip() == "has left")
    assert [line[:3] for line in log()] == ["Ada", "Bob", "Bob", "Ada", "Bob"]
    browser.get("about:blank")


def test_a_page_draws_what_is_broadcast(start_example: Start, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(start_example("ws_live_plot.py", "--interval", "0.01").replace("tcp", "http"))
    wait = WebDriverWait(browser, _WAIT)
    wait.until(lambda _: int(browser.find_element(By.ID, "count").text) >= 20)
    points = browser.find_element(By.ID, "curve").get_attribute("points")
    assert points is not None
    assert len(points.split()) >= 20
    assert browser.find_element(By.ID, "state").text == "live"
    browser.get("about:blank")
