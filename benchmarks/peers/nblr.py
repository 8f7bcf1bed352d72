"""Logistic regression over binary n-grams weighted by log-count ratios, in scikit-learn:

    python -m benchmarks.peers.nblr train path/to/imdb

Wang & Manning 2012 with logistic regression and trigrams as in Mesnil et al. 2014. For two classes.
"""

from pathlib import Path

import joblib
import numpy as np
from scipy.sparse import csr_matrix, diags_array
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from benchmarks.peers.program import Library, main

# Words and single punctuation marks.
TOKEN = r"\w+|[^\w\s]"


def log_count_ratio(counts: csr_matrix, positive: np.ndarray) -> np.ndarray:
    """(rows, n-grams) 0 or 1, (rows,) bool -> (n-grams,) log of the smoothed share in positive and in other rows."""
    shares = []
    for rows in (positive, ~positive):
        smoothed = 1 + np.asarray(counts[np.flatnonzero(rows)].sum(0), dtype=np.float64).ravel()
        shares.append(np.log(smoothed / smoothed.sum()))
    return shares[0] - shares[1]


def train(texts: list[str], labels: list) -> dict:
    """Vectorizer, weights of the n-grams, and classifier. Raises ValueError unless there are two classes."""
    classes = sorted(set(labels))
    if len(classes) != 2:
        raise ValueError(f"expected two classes, found {len(classes)}")
    vectorizer = CountVectorizer(ngram_range=(1, 3), min_df=2, binary=True, token_pattern=TOKEN, dtype=np.float32)
    counts = vectorizer.fit_transform(texts)
    labels = np.asarray(labels)
    ratio = diags_array(log_count_ratio(counts, labels == classes[1]).astype(np.float32)).tocsr()
    # The dual problem has a variable for each row instead of one for each of a million n-grams.
    classifier = LogisticRegression(solver="liblinear", dual=True, C=1.0, random_state=0)
    return {"vectorizer": vectorizer, "ratio": ratio, "classifier": classifier.fit(counts @ ratio, labels)}


def predict(model: dict, texts: list[str]) -> list:
    """The label of each text."""
    return model["classifier"].predict(model["vectorizer"].transform(texts) @ model["ratio"]).tolist()


def save(model: dict, file: Path) -> None:
    """Write the model, as scikit-learn advises for files that are one's own."""
    joblib.dump(model, file)


def load(file: Path) -> dict:
    """Read a model."""
    return joblib.load(file)


if __name__ == "__main__":
    main(Library(train, predict, save, load), __doc__)
