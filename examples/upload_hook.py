"""Score photos as they are uploaded: POST a photo to http://localhost:8000/, get its verdict as JSON.

One model serves all requests. Requests that arrive together share a batch, which on a busy server is several times
faster than one photo at a time. A verdict takes some 50 ms on a CPU: let the upload go through, and hold the listing
back until the verdict is there.

    python examples/upload_hook.py --model default
    curl --data-binary @photo.jpg http://localhost:8000/
"""

from __future__ import annotations

import argparse
import json
import queue
import threading
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import wildvision as wv
from wildvision.imaging import Prepared

MAX_BYTES = 20 * 2**20


class Batcher:
    """Runs the model on one thread, over whatever has arrived meanwhile. Decoding stays on the callers' threads."""

    def __init__(self, classifier: wv.Classifier, batch_size: int = 16) -> None:
        self.classifier = classifier
        self._batch_size = batch_size
        self._waiting: queue.Queue[tuple[Prepared, Future[wv.Prediction]]] = queue.Queue(maxsize=256)
        threading.Thread(target=self._run, daemon=True).start()

    def predict(self, photo: bytes) -> wv.Prediction:
        """The verdict on one photo; raises ``queue.Full`` when the server is overloaded."""
        answer: Future[wv.Prediction] = Future()
        self._waiting.put((self.classifier.prepare(photo), answer), timeout=1.0)
        return answer.result(timeout=30.0)

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < self._batch_size and not self._waiting.empty():
                batch.append(self._waiting.get())
            try:
                predictions = self.classifier.infer([prepared for prepared, _ in batch])
            except Exception as e:  # every caller must get an answer
                for _, answer in batch:
                    answer.set_exception(e)
                continue
            for (_, answer), prediction in zip(batch, predictions, strict=True):
                answer.set_result(prediction)


def serve(batcher: Batcher, port: int) -> ThreadingHTTPServer:
    """A server that answers every POST with a row of the row contract."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            if not 0 < length <= MAX_BYTES:
                return self._answer(413, {"error": f"expected 1 to {MAX_BYTES} bytes"})
            try:
                prediction = batcher.predict(self.rfile.read(length))
            except queue.Full:
                return self._answer(503, {"error": "overloaded, try again"})
            return self._answer(200, prediction.to_row(id=prediction.sha256 or "unknown"))

        def _answer(self, code: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Hook)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()
    with serve(Batcher(wv.load_classifier(args.model)), args.port) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
