"""A proxy in front of a real MLflow server that can be told to fail."""

import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FlakyProxy(ThreadingHTTPServer):
    """Passes requests on to the server at the port `upstream`.

    `state`: "open"; "failing", every answer is a 500; "forbidden", a 403; "deaf", the next `runs/create` is passed on,
    but answered with a 502.
    """

    def __init__(self, upstream):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.state = "open"

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self._forward()

    def do_POST(self):
        self._forward()

    def do_PATCH(self):
        self._forward()

    def do_PUT(self):
        self._forward()

    def _forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        state = self.server.state
        if state == "failing":
            return self._answer(500, b"out of order")
        if state == "forbidden":
            return self._answer(403, b"not yours")
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.server.upstream}{self.path}", body or None,
            {"Content-Type": self.headers.get("Content-Type", "")}, method=self.command,
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        if state == "deaf" and self.path.endswith("runs/create"):
            self.server.state = "open"
            return self._answer(502, b"bad gateway")
        return self._answer(status, text)

    def _answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass
