"""Texts to try a model with."""

from sentiment_hf.data.columns import find_text_columns, read_texts
from sentiment_hf.data.sources import find_tables
from sentiment_hf.settings.arguments import DataArguments

# How many there are, and the most characters of one.
EXAMPLES, LONGEST_EXAMPLE = 6, 160


def example_texts(dataset: str) -> list[str]:
    """The first short texts of the test part of a data set, of train if there is none; raises InputError."""
    tables = find_tables(DataArguments(dataset_name=dataset)).tables
    table = tables.get("test", tables["train"])[0]
    texts = read_texts(table, find_text_columns(table, None), " ").to_pylist()
    return [text for text in texts if text.strip() and len(text) <= LONGEST_EXAMPLE][:EXAMPLES]
