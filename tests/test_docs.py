"""Every snippet of the README and of the manual runs, as it stands there.

The fences of a page are one story, told from top to bottom: ``python`` is executed, always in the same namespace and in
a folder of the page's own; ``shell`` is given to bash there; ``text`` is what one reads, not what one types.  Any other
language is refused, so that nothing gets around this by being called something else.

What a reader need not see stands in comments, which neither GitHub nor Sphinx shows::

    <!-- test: file cases.toml -->       the next fence is written to that file; Python has to import it from there
    <!-- test: program server.py -->     the next fence is a server: it is started as a program of its own, as is
                                         pipeline-net run in a shell fence, and interrupted when the page is done
    <!-- test: output -->                the next fence is what the one before has printed
    <!-- test: not run, because … -->    the next fence is not run, for that reason; its make targets must exist
    <!-- test                            lines of Python, run at this place: clients, assertions
    … -->

A program says ``listening on`` first.  Ports 9000 to 9099 of its text are replaced by free ones, in the program and in
the rest of its page.  Comments have ``ask(address, data)``: it sends, shuts its side, and returns all that comes.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

_ROOT = Path(__file__).parent.parent
_PAGES = [_ROOT / "README.md", *sorted(path for path in (_ROOT / "docs").rglob("*.md") if "_build" not in path.parts)]
_NAMES = [str(path.relative_to(_ROOT)) for path in _PAGES]

_PART = re.compile(
    r"^```(?P<language>[^\n`]*)\n(?P<body>.*?)^```$"
    r"|^<!-- test: (?P<directive>[^\n]*?) -->$"
    r"|^<!-- test\n(?P<hidden>.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)
_PORT = re.compile(r"(?<=[: ])90\d\d\b")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)")
_WITH_FILE = {"file", "program"}


@attrs.frozen
class Part:
    """A fence with what the comment before it says, or lines that only the test sees."""

    line: int
    language: str
    body: str
    directive: str = ""  # "file", "program", "output", "not run" or ""
    detail: str = ""  # the name of the file, or the reason


def _parts(text: str) -> Iterator[Part]:
    directive = ""
    for match in _PART.finditer(text):
        line = text.count("\n", 0, match.start()) + 2  # of the first line inside
        if match["directive"] is not None:
            assert not directive, f"line {line - 1}: {directive!r} stands before no fence"
            directive = match["directive"]
        elif match["hidden"] is not None:
            yield Part(line, "python", match["hidden"])
        elif not match["language"].startswith("{"):  # a directive of the manual's own
            yield Part(line, match["language"], match["body"], *_take_apart(directive, line))
            directive = ""
    assert not directive, f"{directive!r} stands before no fence"


def _take_apart(directive: str, line: int) -> tuple[str, str]:
    if directive.startswith("not run, because "):
        return "not run", directive.removeprefix("not run, because ")
    word, _, detail = directive.partition(" ")
    assert word in {"", "output", *_WITH_FILE}, f"line {line - 1}: nobody knows <!-- test: {directive} -->"
    return word, detail


class Story:
    """Runs the parts of one page, one after the other."""

    def __init__(self, page: str, folder: Path, start_program: Callable[..., Any]) -> None:
        self._page = page
        self._folder = folder
        self._start_program = start_program
        self._namespace: dict[str, Any] = {"__name__": "page", "ask": _ask}
        self._ports: dict[str, str] = {}
        self._output = ""

    def tell(self, part: Part) -> None:
        body = _PORT.sub(lambda found: self._ports.get(found[0], found[0]), part.body)
        if part.directive == "not run":
            _check_targets(body)
        elif part.directive == "output":
            assert _lines(self._output) == _lines(body), f"{self._page}:{part.line}: this is what was printed"
        elif part.directive == "program":
            self._start(part)
        elif part.language == "python":
            if part.directive == "file":
                (self._folder / part.detail).write_text(body)
                self._execute(body, part.line, {"__name__": "saved"})  # what is saved is not in the reader's session
            else:
                self._execute(body, part.line, self._namespace)
        elif part.language == "shell":
            self._output = _run_in_bash(body, self._folder)
        elif part.directive == "file":
            (self._folder / part.detail).write_text(body)
        else:
            assert part.language == "text", f"{self._page}:{part.line}: {part.language!r} is neither run nor text"

    def _start(self, part: Part) -> None:
        ports = list(dict.fromkeys(_PORT.findall(part.body)))
        body = _PORT.sub("0", part.body)
        if part.language == "shell":
            name, *arguments = shlex.split(body)
            assert name == "pipeline-net", f"{self._page}:{part.line}: only pipeline-net can be a program"
            program = self._start_program("-m", "pipeline_net", *arguments, cwd=self._folder)
        else:
            (self._folder / part.detail).write_text(body)
            program = self._start_program(part.detail, cwd=self._folder)
        given = [address.rpartition(":")[2] for address in program.addresses]
        self._ports.update(zip(ports, given, strict=True))
        self._namespace["program"] = program

    def _execute(self, body: str, line: int, namespace: dict[str, Any]) -> None:
        code = compile("\n" * (line - 1) + body, str(_ROOT / self._page), "exec", dont_inherit=True)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        self._output = printed.getvalue()


def _ask(address: str, data: bytes) -> bytes:
    scheme, _, rest = address.partition("://")
    host, _, port = rest.rpartition(":")
    family = socket.AF_UNIX if scheme == "unix" else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(rest if scheme == "unix" else (host, int(port)))
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def _run_in_bash(commands: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _check_targets(commands: str) -> None:
    targets = re.findall(r"^make ([a-z-]+)", commands, re.MULTILINE)
    makefile = (_ROOT / "Makefile").read_text()
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


@pytest.mark.parametrize("page", _NAMES)
def test_the_snippets_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start_program: Callable[..., Any]
) -> None:
    if "\nopenssl " in (_ROOT / page).read_text(encoding="utf-8") and shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "examples").symlink_to(_ROOT / "examples")
    loaded = set(sys.modules)
    story = Story(page, tmp_path, start_program)
    try:
        for part in _parts((_ROOT / page).read_text(encoding="utf-8")):
            story.tell(part)
    finally:
        for name in set(sys.modules) - loaded:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]


@pytest.mark.parametrize("page", _NAMES)
def test_no_fence_escapes_by_its_form(page: str) -> None:
    text = (_ROOT / page).read_text(encoding="utf-8")
    outside = _PART.sub("", text)
    assert "```" not in outside
    assert "~~~" not in outside
    assert "<!-- test" not in outside


@pytest.mark.parametrize("page", _NAMES)
def test_links_inside_the_tree_lead_somewhere(page: str) -> None:
    path = _ROOT / page
    links = _LINK.findall(_PART.sub("", path.read_text(encoding="utf-8")))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial/ten-lines.md"])
def test_a_server_in_ten_lines_has_ten(page: str) -> None:
    program = (_ROOT / page).read_text(encoding="utf-8").partition("<!-- test: program shout.py -->\n```python\n")[2]
    lines = [line for line in program.partition("```")[0].splitlines() if line]
    assert len([line for line in lines if not line.startswith("from ")]) == 10
    assert len(lines) == 12


def test_every_page_of_the_manual_has_a_snippet_or_is_an_overview() -> None:
    without = [
        name
        for name, path in zip(_NAMES, _PAGES, strict=True)
        if name.startswith(("docs/tutorial/", "docs/how-to/")) and path.name != "index.md"
        if not any(part.language == "python" for part in _parts(path.read_text(encoding="utf-8")))
    ]
    assert without == []


STORY = """
```python
print("one", 1)
```
<!-- test: output -->
```text
one 1
```
<!-- test: file more.txt -->
```text
hello
```
```shell
cat more.txt
```
<!-- test: not run, because this is a test -->
```shell
make test
```
<!-- test
from pathlib import Path
assert Path("more.txt").read_text() == "hello\\n", "a greeting"
-->
"""


def _tell(text: str, folder: Path) -> None:
    story = Story("page.md", folder, lambda *arguments, **settings: None)
    for part in _parts(text):
        story.tell(part)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("one 1", "one 2", "this is what was printed"),
        ("hello\n`", "bye\n`", "a greeting"),
        ("cat more.txt", "echo no; false", "no"),
        ("```shell\ncat", "```bash\ncat", "neither run nor text"),
        ("test: output", "test: outptu", "nobody knows"),
        ("```text\nhello", "<!-- test: output -->\n```text\nhello", "before no fence"),
        ("make test", "make tset", "tset"),
    ],
)
def test_a_snippet_that_is_wrong_is_found(
    old: str, new: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _tell(STORY, tmp_path)
    with pytest.raises(AssertionError, match=complaint):
        _tell(STORY.replace(old, new), tmp_path)


def test_what_a_snippet_saves_has_to_be_imported(tmp_path: Path) -> None:
    saved = "<!-- test: file numbers_of_mine.py -->\n```python\nTWO = 2\n```\n"
    _tell(saved, tmp_path)
    with pytest.raises(NameError, match="TWO"):
        _tell(saved + "```python\nprint(TWO)\n```\n", tmp_path)
