"""A client of any HTTP server: show an answer, download with progress, upload.

    python examples/http_client.py show https://example.org/
    python examples/http_client.py show http://127.0.0.1:9000/notes --json '{"text": "buy milk"}'
    python examples/http_client.py download https://example.org/big.iso big.iso
    python examples/http_client.py upload notes.txt http://127.0.0.1:9000/notes.txt

A download is written as it comes, and no faster than the disk takes it: then the server has to wait.  An upload goes
from the file to the network without passing through Python.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pipeline_net import PipelineNetError
from pipeline_net.codecs import http


def show(client: http.Client, url: str, data: str | None) -> None:
    """Print an answer; with data, send that as JSON first."""
    response = client.get(url) if data is None else client.post(url, json=json.loads(data))
    print(f"{response.status} {response.reason} from {response.url}", file=sys.stderr)
    if response.content_type == "application/json":
        print(json.dumps(response.json(), indent=2, ensure_ascii=False))
    else:
        print(response.text, end="")


def download(client: http.Client, url: str, path: Path) -> None:
    """Write the body to a file, which has its name only when all of it is there."""
    unfinished = path.with_name(path.name + ".part")
    with client.stream("GET", url) as response, unfinished.open("wb") as file:
        response.raise_for_status()
        done = 0
        for part in response:
            done += file.write(part)
            share = f"{done / response.length:4.0%} of " if response.length else ""
            print(f"\r{share}{done:,} bytes", end="", file=sys.stderr)
    print(file=sys.stderr)
    unfinished.replace(path)


def upload(client: http.Client, path: Path, url: str) -> None:
    """Send a file, if the server wants it: it may say no before it has come."""
    with path.open("rb") as file:
        response = client.put(url, body=file, headers={"expect": "100-continue"})
    response.raise_for_status()
    print(f"{response.status} {response.reason}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask an HTTP server.")
    parser.add_argument("--ca", help="a file of certificates to trust instead of the system's")
    commands = parser.add_subparsers(dest="command", required=True)
    shown = commands.add_parser("show", help="print an answer")
    shown.add_argument("url")
    shown.add_argument("--json", help="what to send, by POST")
    downloaded = commands.add_parser("download", help="save an answer")
    downloaded.add_argument("url")
    downloaded.add_argument("path", type=Path)
    uploaded = commands.add_parser("upload", help="send a file, by PUT")
    uploaded.add_argument("path", type=Path)
    uploaded.add_argument("url")
    arguments = parser.parse_args()
    tls = None
    if arguments.ca is not None:
        from pipeline_net.handlers import ClientTls

        tls = ClientTls(ca=arguments.ca)
    with http.Client(headers={"user-agent": "http_client.py"}, tls=tls) as client:
        try:
            if arguments.command == "show":
                show(client, arguments.url, arguments.json)
            elif arguments.command == "download":
                download(client, arguments.url, arguments.path)
            else:
                upload(client, arguments.path, arguments.url)
        except (PipelineNetError, OSError) as exc:
            sys.exit(f"http_client: {exc}")


if __name__ == "__main__":
    main()
