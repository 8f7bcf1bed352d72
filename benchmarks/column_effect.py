"""Reviews with a column whose effect is known: python benchmarks/column_effect.py path/to/imdb-stars out/data

The data set imdb-stars has the columns text and stars. Writes out/data/audience, with 5 000 of its reviews for train
and 5 000 for test. The column `audience` is, by chance, `lenient` or `strict`, and the label says whether that
audience is told to see the film: a lenient one from 4 of 10 stars, a strict one from 9. So a review with 4, 7 or 8
stars has either label, and the text alone cannot tell which. The column `price` is chance, and a tenth of its cells
is missing.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 5000
STARS_WANTED = {"lenient": 4, "strict": 9}


def main(imdb_stars: str, home: str) -> None:
    """Write the two files, and print what a model reaches that knows the stars and not the audience."""
    chance = np.random.default_rng(0)
    folder = Path(home, "audience")
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        rows = pd.read_parquet(Path(imdb_stars, f"{part}.parquet")).sample(ROWS, random_state=0)
        audience = chance.choice(list(STARS_WANTED), ROWS)
        price = np.where(chance.random(ROWS) < 0.1, np.nan, chance.normal(20, 5, ROWS).round(2))
        seen = rows["stars"].to_numpy() >= pd.Series(audience).map(STARS_WANTED).to_numpy()
        columns = {"text": rows["text"], "audience": audience, "price": price, "label": np.where(seen, "yes", "no")}
        pd.DataFrame(columns).to_parquet(folder / f"{part}.parquet", index=False)
        best = pd.Series(seen).groupby(rows["stars"].to_numpy()).agg(lambda said: max(said.mean(), 1 - said.mean()))
        print(f"{part}: {(rows['stars'].map(best)).mean():.2%} by the stars alone")


if __name__ == "__main__":
    main(*sys.argv[1:])
