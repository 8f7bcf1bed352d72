"""Find the text and the label among the columns, and make (text: string, label: ClassLabel) of them."""

import re
from collections.abc import Sequence

from datasets import ClassLabel, Dataset, Features, Value

from sentiment_hf.common.characters import refuse_surrogate
from sentiment_hf.common.errors import InputError, did_you_mean
from sentiment_hf.data.files import Table
from sentiment_hf.settings.arguments import DataArguments

TEXT_NAMES = {
    *("text", "review", "sentence", "content", "comment", "document", "tweet", "body", "message", "phrase"),
    *("utterance", "review_text", "reviewtext", "review_body", "review_content"),
}
LABEL_NAMES = {
    *("label", "labels", "sentiment", "class", "category", "target", "rating", "ratings", "stars"),
    *("star_rating", "polarity"),
}
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def find_columns(table: Table, args: DataArguments) -> tuple[list[str], str]:
    """(text columns, label column) of train, as the flags name them or by the usual names; raises InputError."""
    texts = find_text_columns(table, args.text_column_names)
    label = args.label_column_name
    if label is None:
        label = _usual(table, LABEL_NAMES, "label", "--label_column_name")
    require_columns(table, [label], "--label_column_name")
    if label in texts:
        raise InputError(
            f"{table.source}: the column {label!r} cannot be both text and label; see --text_column_names."
        )
    return texts, label


def find_text_columns(table: Table, names: str | None) -> list[str]:
    """The comma-separated columns of --text_column_names, or the one with a usual name; raises InputError."""
    if names is None:
        return [_usual(table, TEXT_NAMES, "text", "--text_column_names")]
    texts = [name.strip() for name in names.split(",")]
    require_columns(table, texts, "--text_column_names")
    return texts


def require_columns(table: Table, names: Sequence[str], flag: str) -> None:
    """Raise InputError unless the table has these columns."""
    for name in names:
        if name not in table.columns:
            raise InputError(f"{table.source} has no column {name!r}{did_you_mean(name, table.columns)}; see {flag}.")


def _usual(table: Table, usual: set[str], what: str, flag: str) -> str:
    """The one column with a usual name; of several, the one with the library's own name, which is `what`."""
    found = [name for name in table.columns if name.strip().lower() in usual]
    if len(found) > 1:
        found = [name for name in found if name.strip().lower() == what] or found
    if len(found) == 1:
        return found[0]
    problem = f"several columns could hold the {what}" if found else f"no column has a usual name for the {what}"
    raise InputError(f"{table.source}: {problem}; name it by {flag}. Columns: {', '.join(table.columns)}")


def read_texts(table: Table, names: Sequence[str], delimiter: str) -> list[str]:
    """A text per row, several columns joined; raises InputError for a cell that is null or not text."""
    columns = [table.columns[name][:] for name in names]
    for name, column in zip(names, columns, strict=True):
        for index, cell in enumerate(column):
            if not isinstance(cell, str):
                found = "null or missing" if cell is None else f"{cell!r}, which is no text"
                raise InputError(
                    f"{table.place(index)}: {name!r} is {found}. A text is a string, an empty one too; "
                    "another column is chosen by --text_column_names."
                )
            refuse_surrogate(cell, table.place(index), name)
    return list(columns[0]) if len(columns) == 1 else [delimiter.join(cells) for cells in zip(*columns, strict=True)]


def read_labels(table: Table, name: str) -> list[str]:
    """The name of the class per row; raises InputError for a label that is missing or no class."""
    names = table.classes.get(name)
    column = table.columns[name][:]
    if names is None:
        return [_label_name(label, table, index, name) for index, label in enumerate(column)]
    for class_name in names:
        refuse_surrogate(class_name, table.source, name)
    for index, label in enumerate(column):
        if label is None or label < 0:
            raise InputError(
                f"{table.place(index)}: {name!r} is {label}, which marks a row without a label. A part without labels "
                "cannot be used; name files with labels by --train_file, --validation_file and --test_file."
            )
        if label >= len(names):
            raise InputError(f"{table.place(index)}: {name!r} is {label}, and there are {len(names)} classes, from 0.")
    return [names[label] for label in column]


def _label_name(label: object, table: Table, index: int, column: str) -> str:
    """ "1" for 1, 1.0, "1" and "1.0"; a name without the space around it; "True" for true."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if isinstance(label, str):
        label = re.sub(r"^([+-]?\d+)\.0+$", r"\1", label.strip())
    if label is None or label == "" or label != label:
        raise InputError(
            f"{table.place(index)}: the label in {column!r} is missing. Fill it in or remove the row; another column "
            "is chosen by --label_column_name."
        )
    if not isinstance(label, str | int):
        raise InputError(
            f"{table.place(index)}: the label in {column!r} is {label!r}; a class is a name or a whole number. "
            "Another column is chosen by --label_column_name."
        )
    refuse_surrogate(str(label), table.place(index), column)
    return str(label)


def find_classes(tables: Sequence[Table], column: str, labels: Sequence[str]) -> ClassLabel:
    """The classes of train: its own ClassLabel, or the names sorted, as numbers if all are; at least two have rows."""
    present = set(labels)
    if len(present) < 2:
        raise InputError(
            f"{tables[0].source}: every row has the label {min(present)!r} in {column!r}; a classifier needs at "
            "least two classes. Another column is chosen by --label_column_name."
        )
    if column in tables[0].classes:
        return ClassLabel(names=tables[0].classes[column])
    numbers = all(NUMBER.fullmatch(name) for name in present)
    return ClassLabel(names=sorted(present, key=lambda name: (float(name), name) if numbers else (0.0, name)))


def make_dataset(texts: list[str], labels: list[str], classes: ClassLabel) -> Dataset:
    """In memory, with the columns text and label and nothing else."""
    ids = {name: index for index, name in enumerate(classes.names)}
    columns = {"text": texts, "label": [ids[label] for label in labels]}
    return Dataset.from_dict(columns, features=Features({"text": Value("string"), "label": classes}))
