"""Score a column of photos in a pandas DataFrame.

python examples/pandas_frame.py listings.csv scored.csv    # a CSV with a column "path"
"""

from __future__ import annotations

import argparse

import pandas as pd

import wildvision as wv


def score_frame(frame: pd.DataFrame, model: str = "default") -> pd.DataFrame:
    """The frame with the columns of the row contract; ``scores`` becomes one column a group."""
    with wv.BatchPredictor(model, workers=2) as predictor:
        scored = pd.DataFrame(predictor({name: frame[name].tolist() for name in frame.columns}), index=frame.index)
    groups = pd.json_normalize(scored.pop("scores").map(lambda s: s or {}).tolist()).set_index(frame.index)
    return scored.join(groups.add_prefix("score_"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("out")
    parser.add_argument("--model", default="default")
    args = parser.parse_args()
    score_frame(pd.read_csv(args.source), args.model).to_csv(args.out, index=False)


if __name__ == "__main__":
    main()
