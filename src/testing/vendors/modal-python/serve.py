"""Serves rigger_modal.py on this computer, as Modal serves it. Its first line of output is the port."""

import asyncio
import importlib.util
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

sys.dont_write_bytecode = True
here = Path(__file__).parent
sys.path.insert(0, str(here))

import modal  # noqa: E402  The one beside this file.

spec = importlib.util.spec_from_file_location("rigger_modal", here.parents[2] / "sandbox/modal/rigger_modal.py")
endpoint = importlib.util.module_from_spec(spec)
spec.loader.exec_module(endpoint)
assert endpoint.machines.requires_proxy_auth
app = endpoint.machines()


class Handler(BaseHTTPRequestHandler):
    def handle_any(self):
        modal.WORKSPACE.set(self.headers["x-workspace"])
        if self.path.startswith("/__"):
            if self.path == "/__scheduled":
                asyncio.run(endpoint.keep_records())
            else:
                modal.Dict._pass_week()
            self.send_response(204)
            self.end_headers()
            return
        url = urlsplit(self.path)
        scope = {
            "type": "http",
            "method": self.command,
            "path": unquote(url.path),
            "query_string": url.query.encode(),
        }
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        middle = len(body) // 2
        pieces = [
            {"type": "http.request", "body": body[:middle], "more_body": True},
            {"type": "http.request", "body": body[middle:]},
        ]

        async def receive():
            return pieces.pop(0)

        async def send(message):
            if message["type"] == "http.response.start":
                self.send_response(message["status"])
                for name, value in message["headers"]:
                    self.send_header(name.decode(), value.decode())
                self.end_headers()
            else:
                self.wfile.write(message["body"])

        try:
            asyncio.run(app(scope, receive, send))
        except Exception as error:
            # As Modal answers where a function fails.
            self.send_error(500, explain=repr(error))
            raise

    do_GET = do_POST = do_DELETE = handle_any

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
