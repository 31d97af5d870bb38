"""Judges on this machine: servers that answer by a rule, or that fail as they are told."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, NamedTuple

Rule = Callable[[str], str]
"""Gives a sentence its label."""


class Reply(NamedTuple):
    """What a server does with a request, where it does not answer it properly."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: str | None = None
    """The body as it is; None for a completion with `content`."""
    content: str = ""
    finish: str = "stop"
    model: str | None = None
    refusal: str | None = None
    sleep: float = 0.0
    cut: bool = False
    """Whether the connection ends within the body."""
    usage: bool = True


class JudgeServer(ThreadingHTTPServer):
    """A judge that labels each numbered item by a rule, unless the script has another reply for the request."""

    daemon_threads = True

    def __init__(self, rule: Rule, script: Callable[[int, dict[str, Any]], Reply | None] | None, model: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rule, self.script, self.model = rule, script or (lambda number, body: None), model
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.lock = Lock()
        self.at_once = self.most_at_once = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def passages(self) -> list[list[dict[str, Any]]]:
        """What was asked, request by request."""
        return [passage_of(body) for body in self.bodies]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are part of the tests."""


def passage_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    passage: list[dict[str, Any]] = json.loads(body["messages"][1]["content"])["passage"]
    return passage


def entries_of(body: dict[str, Any], rule: Rule) -> list[dict[str, Any]]:
    return [{"number": item["number"], "label": rule(item["text"])} for item in passage_of(body) if "number" in item]


def by_number(body: dict[str, Any], rule: Rule) -> dict[str, str]:
    """Return a whole answer, as the schema of the request wants it."""
    return {str(entry["number"]): entry["label"] for entry in entries_of(body, rule)}


def answer_with(entries: object) -> str:
    return json.dumps({"labels": entries})


class _Handler(BaseHTTPRequestHandler):
    server: JudgeServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        with server.lock:
            server.bodies.append(body)
            server.keys.append(self.headers.get("authorization"))
            number = len(server.bodies) - 1
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            reply = server.script(number, body) or Reply(content=answer_with(by_number(body, server.rule)))
            time.sleep(reply.sleep)
            self._send(reply)
        finally:
            with server.lock:
                server.at_once -= 1

    def _send(self, reply: Reply) -> None:
        message = {"role": "assistant", "content": reply.content, "refusal": reply.refusal}
        completion = {
            "id": "c",
            "object": "chat.completion",
            "created": 0,
            "model": self.server.model if reply.model is None else reply.model,
            "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
        }
        if reply.usage:
            completion["usage"] = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        data = (json.dumps(completion) if reply.body is None else reply.body).encode()
        self.send_response(reply.status)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if reply.cut else data)
        if reply.cut:
            self.close_connection = True

    def do_GET(self) -> None:
        models = [{"id": self.server.model, "object": "model", "created": 0, "owned_by": "us"}]
        data = json.dumps({"object": "list", "data": models}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def judge_server(
    rule: Rule,
    script: Callable[[int, dict[str, Any]], Reply | None] | None = None,
    model: str = "judge-1",
) -> Iterator[JudgeServer]:
    server = JudgeServer(rule, script, model)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
