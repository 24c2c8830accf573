"""Uploads: a page with a progress bar, files that stream to disk, and a list of what has arrived.

    python examples/upload.py --folder /tmp/uploads
    curl -F title=Cat -F photo=@cat.jpg http://127.0.0.1:9000/upload

Open http://127.0.0.1:9000/ in a browser for the page.  A file is saved under the name that its sender gave it, made
safe, with a number in front: nothing is ever overwritten.
"""

from __future__ import annotations

import argparse
import html
import itertools
import json
import os
from pathlib import Path
from typing import Any, Final, Never

from pipeline_net import ChannelFuture, ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http

_MAX_UPLOAD: Final = 4 * 1024**3  # bytes
_LIMITS: Final = http.FormLimits(max_file_size=_MAX_UPLOAD, max_total_size=_MAX_UPLOAD)
_JSON: Final = http.Headers({"content-type": "application/json"})
_HTML: Final = http.Headers({"content-type": "text/html; charset=utf-8"})

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Uploads</title>
<style>
  body { font: 16px sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em }
  progress { width: 100%; height: 1.5em }
</style>
<h1>Uploads</h1>
<form id="form" action="/upload" method="post" enctype="multipart/form-data">
  <p><label>Title <input name="title"></label>
  <p><input type="file" name="file" multiple required>
  <p><button>Send</button>
</form>
<progress id="bar" max="1" value="0"></progress>
<p id="said"></p>
<h2>What is here</h2>
<ul id="list"><!--list--></ul>
<script>
  const form = document.getElementById("form"), bar = document.getElementById("bar");
  const said = document.getElementById("said"), list = document.getElementById("list");
  window.steps = [];  // how far the bar has been
  form.addEventListener("submit", event => {
    event.preventDefault();
    const request = new XMLHttpRequest();
    request.upload.onprogress = event => {
      bar.value = event.loaded / event.total;
      window.steps.push(bar.value);
      said.textContent = Math.round(bar.value * 100) + " %";
    };
    request.onload = () => {
      if (request.status !== 201) { said.textContent = "The server says " + request.status; return; }
      for (const file of JSON.parse(request.responseText).files) {
        const item = document.createElement("li");
        item.textContent = file.saved_as + ", " + file.size + " bytes";
        list.append(item);
      }
      said.textContent = "Done";
    };
    request.onerror = () => { said.textContent = "The connection broke"; };
    request.open("POST", form.action);
    request.send(new FormData(form));
  });
</script>
</html>
"""

Context = ChannelHandlerContext[Never, http.FullResponse]


class Shelf:
    """Where uploads are kept; its methods block, and run on the pool."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._numbers = itertools.count(1)

    def keep(self, form: http.FormRequest) -> dict[str, Any]:
        try:
            files = [self._keep(file) for file in form.files]
        finally:
            form.close()
        return {"fields": form.fields.items(), "files": files}

    def _keep(self, file: http.UploadedFile) -> dict[str, Any]:
        while True:
            name = f"{next(self._numbers)}-{file.filename[-60:]}"  # a name has room for 255 bytes
            try:
                file.save(self.folder / name)
            except FileExistsError:
                continue  # from an earlier run
            return {"name": file.raw_filename, "saved_as": name, "size": file.size}

    def page(self) -> bytes:
        entries = sorted(os.scandir(self.folder), key=lambda entry: entry.name)
        items = [f"<li>{html.escape(entry.name)}, {entry.stat().st_size} bytes</li>" for entry in entries]
        return _PAGE.replace("<!--list-->", "".join(items)).encode("utf-8", "replace")


class Uploads(ChannelInboundHandler[http.FormRequest | http.FullRequest, Never, http.FullResponse]):
    """Shows the page; keeps what is sent."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def channel_read(self, ctx: Context, msg: http.FormRequest | http.FullRequest) -> None:
        if isinstance(msg, http.FormRequest):
            if msg.request.path == "/upload" and msg.request.method == "POST":
                self._later(ctx, 201, self._shelf.keep, msg)
            else:
                ctx.write(http.FullResponse(404))
        elif msg.path == "/" and msg.method in ("GET", "HEAD"):
            self._later(ctx, 200, self._shelf.page)
        else:
            ctx.write(http.FullResponse(404))

    def _later(self, ctx: Context, status: int, work: Any, *args: Any) -> None:
        """Answer with what ``work`` returns; it reads and writes files, so the loop does not wait for it."""

        def done(future: ChannelFuture[Any]) -> None:
            exc = future.exception()
            if exc is not None:
                ctx.fire_exception_caught(exc)  # it is logged, and the client is told 500
                return
            result = future.result()
            if isinstance(result, bytes):
                ctx.write(http.FullResponse(status, _HTML, result))
            else:
                ctx.write(http.FullResponse(status, _JSON, json.dumps(result).encode() + b"\n"))

        ctx.loop.run_blocking(work, *args).add_done_callback(done)


def main() -> None:
    parser = argparse.ArgumentParser(description="Takes uploads, and shows a page for them.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="how many event loops (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("uploads"), help="where files are kept (%(default)s)")
    arguments = parser.parse_args()
    shelf = Shelf(arguments.folder)
    with EventLoopGroup(arguments.loops) as loops:
        bootstrap = ServerBootstrap(
            loops,
            initializer=lambda channel: (
                http.server_stack(limits=http.Limits(max_body=_MAX_UPLOAD))
                >> http.Forms(_LIMITS, folder=shelf.folder)  # the same file system: saving moves not a byte
                >> http.RequestAggregator()
                >> Uploads(shelf)
            ),
        )
        server = bootstrap.bind(arguments.address)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
