"""Take listings from a queue, score their photos in batches, give one verdict a listing.

``messages`` stands for your queue (SQS, Kafka, Redis streams, RabbitMQ): an iterator of listings that blocks while the
queue is empty. Acknowledge a message only after its verdict is stored: a message that is delivered twice gives the same
verdict twice.

    python examples/queue_consumer.py FOLDER     # every subfolder plays a listing
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import wildvision as wv
from wildvision.scoring import ListingVerdict, combine


def verdicts(messages: Iterable[dict[str, Any]], model: str, listings_at_once: int = 16) -> Iterator[ListingVerdict]:
    """One verdict a message, in order; of a listing without photos it has no decision, which is not a pass."""
    classifier = wv.load_classifier(model)
    messages = iter(messages)
    with wv.BatchPredictor(classifier, workers=2) as predictor:  # decode processes: a broken photo cannot stop us
        while batch := list(islice(messages, listings_at_once)):
            photos = [
                (str(message["listing_id"]), n, photo) for message in batch for n, photo in enumerate(message["photos"])
            ]
            columns = predictor(
                {
                    "id": [f"{listing}/{n}" for listing, n, _ in photos],
                    "path": [photo for _, _, photo in photos],
                    "listing_id": [listing for listing, _, _ in photos],
                }
            )
            rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
            for message in batch:
                own = list(islice(rows, len(message["photos"])))  # by place: a batch may hold a message twice
                if own:
                    yield combine(own, classifier.card.operating_points)
                else:
                    yield ListingVerdict(str(message["listing_id"]), 0, 0, {}, {}, None, None, None, ())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="default")
    args = parser.parse_args()
    folders = sorted(p for p in args.folder.iterdir() if p.is_dir())
    messages = (
        {"listing_id": folder.name, "photos": [str(p) for p in sorted(folder.iterdir()) if p.is_file()]}
        for folder in folders
    )
    for verdict in verdicts(messages, args.model):
        print(json.dumps(verdict.to_row(), ensure_ascii=False))


if __name__ == "__main__":
    main()
