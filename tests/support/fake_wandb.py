"""A W&B server on 127.0.0.1 that takes what ``wandb sync`` sends and keeps the history of each run."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeWandb:
    """What was sent: ``history`` holds the rows of each run, by its id, where its file's lines stand."""

    def __init__(self) -> None:
        self.history: dict[str, dict[int, dict[str, Any]]] = {}
        self.requests = 0
        self.url = ""

    def graphql(self, variables: dict[str, Any]) -> dict[str, Any]:
        """Answer any of the queries that sending a run makes."""
        project = {"name": "initlab", "entity": {"name": "me"}}
        bucket = {"id": "x", "name": variables.get("name"), "displayName": "", "config": "{}"}
        bucket |= {"description": "", "sweepName": None, "historyLineCount": 0, "project": project}
        files = [{"name": name, "uploadUrl": f"{self.url}/{name}"} for name in variables.get("files", [])]
        versions = {"max_cli_version": "9"}
        return {
            "viewer": {"id": "1", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}},
            "serverInfo": {"cliVersionInfo": versions, "latestLocalVersionInfo": None, "features": []},
            "upsertBucket": {"bucket": bucket, "inserted": True},
            "createRunFiles": {"runID": "x", "uploadHeaders": [], "files": files},
        }

    def stream(self, run_id: str, content: dict[str, Any]) -> None:
        """Keep the lines of a run's history."""
        chunk = content.get("files", {}).get("wandb-history.jsonl", {})
        rows = self.history.setdefault(run_id, {})
        for index, line in enumerate(chunk.get("content", []), start=chunk.get("offset", 0)):
            rows[index] = json.loads(line)


@contextmanager
def fake_wandb() -> Iterator[FakeWandb]:
    """Serve within the block."""
    fake = FakeWandb()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

        def answer(self) -> None:
            fake.requests += 1
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            content: dict[str, Any] = {}
            if self.path.startswith("/graphql"):
                content = {"data": fake.graphql(json.loads(body).get("variables") or {})}
            elif self.path.endswith("/file_stream"):
                fake.stream(self.path.split("/")[-2], json.loads(body))
                content = {"exitcode": None, "limits": {}}
            written = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        do_GET = do_POST = do_PUT = answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
