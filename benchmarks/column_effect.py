"""Reviews with a column whose effect is known: python benchmarks/column_effect.py path/to/imdb out/data

Writes out/data/asked, with 5 000 reviews for train and 5 000 for test, half of each class. The column `asked` is, by
chance, `like` in three quarters of the rows and `dislike` in the others, and the label says whether the answer is yes:
of a positive review to `like`, of a negative one to `dislike`. So what a text says is turned round in a quarter of the
rows: a model that knows the text perfectly and not the column has 75 %, and one that adds what both say has no more.
The column `price` is chance, and a tenth of its cells is missing.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 5000
LIKED = 0.75


def main(imdb: str, home: str) -> None:
    """Write the two files."""
    chance = np.random.default_rng(0)
    folder = Path(home, "asked")
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        reviews = pd.concat(map(pd.read_parquet, sorted(Path(imdb).rglob(f"{part}-*.parquet"))))
        rows = reviews.groupby("label").sample(ROWS // 2, random_state=0).sample(frac=1, random_state=0)
        likes = chance.random(ROWS) < LIKED
        price = np.where(chance.random(ROWS) < 0.1, np.nan, chance.normal(20, 5, ROWS).round(2))
        columns = {"text": rows["text"], "asked": np.where(likes, "like", "dislike"), "price": price}
        columns["label"] = np.where((rows["label"] == 1) == likes, "yes", "no")
        pd.DataFrame(columns).to_parquet(folder / f"{part}.parquet", index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
