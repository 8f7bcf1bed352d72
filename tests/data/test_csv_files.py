"""Delimiter and quotes are decided per file; no row is merged, split or dropped without a line that names it."""

import csv
import io
import logging
import re

import pytest

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.csv_files import read_csv_table
from sentiment_hf.data.files import read_file
from sentiment_hf.data.splits import load_splits
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.csv_settings import CsvSettings

FILMS = [(f"the film , number {row} , was {'fine' if row % 2 else 'dull'}", str(row % 2)) for row in range(40)]


def table(tmp_path, content, suffix=".csv", **settings):
    path = tmp_path / f"any{suffix}"
    path.write_text(content, encoding="utf-8", newline="")
    return read_file(path, "--train_file", CsvSettings(**settings))


def rows_of(table):
    return list(zip(*table.columns.values(), strict=True))


def written(rows, header=("text", "label"), **how):
    file = io.StringIO()
    csv.writer(file, **how).writerows([header, *rows])
    return file.getvalue()


# Delimiters


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_that_of_the_header(tmp_path, delimiter, suffix, quoting):
    rows = [(text, f"a note; {text}", label) for text, label in FILMS]
    content = written(rows, ("text", "note", "label"), delimiter=delimiter, quoting=quoting)
    assert rows_of(table(tmp_path, content, suffix)) == rows


def test_decimals_with_commas_and_dates_stay_fields_of_a_european_file(tmp_path):
    rows = [(str(row), f"gut, aber {row}", f"{row},5", "01.02.2024", "pos") for row in range(10)]
    content = written(rows, ("id", "text", "note", "datum", "label"), delimiter=";")
    assert rows_of(table(tmp_path, content)) == rows


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=;\r"])
def test_the_line_of_a_spreadsheet_names_the_delimiter_and_is_no_row(tmp_path, line):
    found = table(tmp_path, f"\ufeff{line}\n" + written(FILMS, delimiter=";"))
    assert rows_of(found) == FILMS
    assert found.place(0).endswith("line 3")
    content = written([(text, "x;y", label) for text, label in FILMS], ("text", "a;b", "label"), delimiter="\t")
    assert list(table(tmp_path, "sep=\t\n" + content).columns) == ["text", "a;b", "label"]


def test_a_file_that_can_be_read_with_two_delimiters_is_refused_and_its_flag_decides(tmp_path):
    content = "id;text, long;label\n1;good, bad;pos\n2;bad, good;neg\n"
    with pytest.raises(InputError, match=r"any\.csv: .*','.*';'.*--csv_delimiter"):
        table(tmp_path, content)
    assert rows_of(table(tmp_path, content, delimiter=";"))[0] == ("1", "good, bad", "pos")
    assert rows_of(table(tmp_path, content, delimiter=","))[0] == ("1;good", " bad;pos")


def test_an_unusual_delimiter_is_said_and_a_usual_one_is_not(tmp_path, caplog):
    for content, suffix, said in ((";", ".csv", 1), (",", ".csv", 0), ("\t", ".tsv", 0), (",", ".tsv", 1)):
        caplog.clear()
        table(tmp_path, written(FILMS, delimiter=content), suffix)
        assert [f"the delimiter is {content!r}" in record.getMessage() for record in caplog.records] == [True] * said


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_file_of_one_column_has_a_text_a_line_whatever_is_in_it(tmp_path, suffix):
    texts = ["Good, but long.", 'He said "no" , twice', '"Never again', "", "a;b", "a\tb", 'it ended "']
    found = table(tmp_path, "\n".join(["text", *texts]) + "\n\n", suffix)
    assert rows_of(found) == [(text,) for text in texts]
    assert found.place(4).endswith("line 6")


def test_a_quoted_file_of_one_column_keeps_its_line_breaks(tmp_path):
    texts = [(f"first, line {row}\nsecond line",) for row in range(9)] + [("alone",), ('with "quotes"',)]
    assert rows_of(table(tmp_path, written(texts, ("text",)))) == texts


# Quotes


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", "|"])
def test_an_unquoted_file_keeps_its_rows(tmp_path, delimiter, caplog):
    rows = [(f"the film was number {row}", str(row % 2)) for row in range(60)]
    rows[20], rows[23] = ('" the film', "0"), ('the end "', "1")
    content = "\n".join(delimiter.join(row) for row in [("sentence", "label"), *rows])
    found = table(tmp_path, content)
    assert rows_of(found) == rows
    assert found.format.quote == ""
    assert "--csv_quote" in caplog.text


def unquoted_files():
    """Rows of a TSV without quoting: what GLUE, SST, Kaggle and logs have."""
    usual = [(str(row), f"film number {row}", "good" if row % 2 else "poor") for row in range(30)]
    yield "a text that opens a quote", [*usual, ("30", '"never closed', "good")]
    yield "a text that closes a quote", [*usual, ("30", 'never opened"', "good")]
    yield "words in quotes", [*usual, ("30", '"Great" film', "good"), ("31", 'a "great" film', "good")]
    yield "inches", [*usual, ("30", 'a 5" screen', "good"), ("31", '"a 7"" screen', "poor")]
    yield "quotes in many lines", [(*row[:1], ('" ' if int(row[0]) % 5 else "") + row[1], row[2]) for row in usual]
    yield (
        "open and close",
        [(row[0], [f'" {row[1]}', row[1], f'{row[1]} "'][int(row[0]) % 3], row[2]) for row in usual],
    )
    yield "a quote alone", [*usual, ("30", '"', "good"), ("31", '""', "good"), ("32", '"', "good")]
    yield "backslashes", [*usual, ("30", 'C:\\new "', "good"), ("31", '\\" x', "poor"), ("32", '"x', "poor")]


@pytest.mark.parametrize("rows", [rows for _, rows in unquoted_files()], ids=[name for name, _ in unquoted_files()])
@pytest.mark.parametrize("columns", [slice(0, 3), slice(1, 3), slice(0, 2)])
def test_each_line_of_an_unquoted_file_is_a_row(tmp_path, rows, columns):
    header = ("id", "text", "label")
    content = "".join("\t".join(row[columns]) + "\n" for row in [header, *rows])
    assert rows_of(table(tmp_path, content, ".tsv")) == [row[columns] for row in rows]


def quoted_files():
    """Texts of several lines that a quoted file has, each with as many delimiters as a row has in every line."""
    for delimiter in ",;\t":
        yield delimiter, [(f"one{delimiter} {row}\nand two", str(row % 2)) for row in range(20)]
        yield delimiter, [*FILMS, (f"bland{delimiter} really\nbad", "0"), ("a\n\nb", "1")]
        yield delimiter, [(f"{row}\n\n{delimiter}", "1") for row in range(3)]
        yield delimiter, [('He said "no"', "1"), (f"one{delimiter}\ntwo", "0"), ("1", "0")]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("delimiter", "rows"), [*quoted_files()])
def test_a_quoted_file_keeps_its_line_breaks(tmp_path, delimiter, rows, end, quoting):
    content = written(rows, delimiter=delimiter, lineterminator=end, quoting=quoting)
    assert rows_of(table(tmp_path, content)) == rows


def test_a_row_of_several_lines_that_look_like_rows_is_named(tmp_path, caplog):
    content = 'text,label\n"a film, but\nnot mine",0\nplain,1\n'
    assert rows_of(table(tmp_path, content)) == [("a film, but\nnot mine", "0"), ("plain", "1")]
    assert "lines 2 to 3 are one row" in caplog.text
    assert rows_of(table(tmp_path, content, quote=""))[0] == ('"a film', " but")


@pytest.mark.parametrize("header", ["label, text", '"label", "text"'])
@pytest.mark.parametrize("text", ["fine, or dull", "fine", 'a ""fine"",\nfilm'])
def test_blanks_before_a_quote_are_no_text(tmp_path, header, text, caplog):
    content = f"{header}\n" + "".join(f'{row % 2}, "{text} {row}"\n' for row in range(9))
    read = table(tmp_path, content)
    expected = text.replace('""', '"')
    assert list(read.columns) == ["label", "text"]
    assert rows_of(read) == [(str(row % 2), f"{expected} {row}") for row in range(9)]
    assert "blanks behind a delimiter" in caplog.text


def test_blanks_before_unquoted_texts_stay(tmp_path):
    assert rows_of(table(tmp_path, 'label, text\n0, "Fine" he said\n1, dull\n')) == [
        ("0", ' "Fine" he said'),
        ("1", " dull"),
    ]


@pytest.mark.parametrize("backslash", ["only quotes", "itself too"])
def test_escaped_quotes_are_quotes(tmp_path, backslash):
    texts = ['She said "no", twice', 'C:\\new, "x"', "plain, text", 'two\nlines "a"', '"begin', 'end "']
    escape = str.maketrans({'"': '\\"', "\\": "\\\\"} if backslash == "itself too" else {'"': '\\"'})
    lines = [f'"{text.translate(escape)}",{row % 2}' for row, text in enumerate(texts)]
    found = table(tmp_path, "\n".join(["text,label", *lines]))
    assert list(found.columns["text"]) == texts
    assert found.format.escapes


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"quote": ""}, [('"a"', "1"), ("'b'", "0")]),
        ({"quote": '"'}, [("a", "1"), ("'b'", "0")]),
        ({"quote": "'"}, [('"a"', "1"), ("b", "0")]),
    ],
)
def test_a_flag_decides_what_a_quote_is(tmp_path, settings, expected):
    assert rows_of(table(tmp_path, "text,label\n\"a\",1\n'b',0\n", **settings)) == expected


BROKEN = {
    "an unclosed quote": ('text,label\n"a",1\n"b,0\n"c",1\n', r"line 3: a quote.*--csv_quote none"),
    "text behind a quote": ('text,label\n"a, b",1\n"b" c,0\n', r"line 3: a quote"),
    "too many fields": ("text;label\na;1\nb;c;0\n", r"line 3: 3 fields.*2 columns \(text, label\).*';'"),
    "too few fields": ("text\tlabel\na\t1\nb\n", r"line 3: 1 fields.*'\\t'"),
    "too many in an unquoted file": ('text\tlabel\n"a\t1\nb"\t0\nc\td\t1\n', "line 4: 3 fields"),
    "too many in a quoted file": ('text;label\n"a;b";1\nc;d;1\n', "line 3: 3 fields"),
    "cut in a quoted text": ('text,label\n"a, b",1\n"c, d', "line 3: a quote"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_with_its_line(tmp_path, content, said):
    with pytest.raises(InputError, match=said):
        table(tmp_path, content)


# Rows and columns that are none


def test_lines_of_nothing_but_delimiters_at_the_end_are_left_out_and_said(tmp_path, caplog):
    content = "text;label;\r\n" + "".join(f"{text};{label};\r\n" for text, label in FILMS) + ";;\r\n; ;\r\n\r\n;;\r\n"
    found = table(tmp_path, content)
    assert list(zip(found.columns["text"], found.columns["label"], strict=True)) == FILMS
    assert "lines 42 to 45" in caplog.text.replace("line 42", "lines 42")


def test_an_empty_row_between_others_stays(tmp_path):
    assert rows_of(table(tmp_path, "text,label\na,1\n,\nb,0\n")) == [("a", "1"), ("", ""), ("b", "0")]
    assert rows_of(table(tmp_path, 'text,label\na,1\n"",""\n')) == [("a", "1"), ("", "")]


def test_blank_lines_between_rows_are_said(tmp_path, caplog):
    assert rows_of(table(tmp_path, "\n\ntext,label\na,1\n\n\nb,0\n\n")) == [("a", "1"), ("b", "0")]
    assert "line 5: a blank line" in caplog.text


def test_columns_that_the_run_does_not_use_may_be_doubled_or_without_a_name(tmp_path):
    for header in ("id,text,label,note,note,,", "id,text,label,,,,", "note,text,label,note"):
        width = header.count(",") + 1
        lines = "".join(f"x,{text.replace(',', '')},{label}{',y' * (width - 3)}\n" for text, label in FILMS)
        path = tmp_path / "x.csv"
        path.write_text(f"{header}\n{lines}")
        assert sum(load_splits(DataArguments(train_file=str(path))).notes["rows"].values()) == 40
        assert read_csv_table(path).names == header.split(",")


@pytest.mark.parametrize("header", ["text,text,label", "text,label,label"])
def test_a_doubled_column_that_the_run_uses_is_refused(tmp_path, header):
    (tmp_path / "x.csv").write_text(f"{header}\na,b,1\nc,d,0\n")
    with pytest.raises(
        InputError, match=r"x\.csv, line 1: the column name '(text|label)' stands there more than once"
    ):
        load_splits(DataArguments(train_file=str(tmp_path / "x.csv")))


def test_empty_fields_behind_the_last_column_are_columns_without_a_name(tmp_path):
    assert rows_of(table(tmp_path, "text,label\na,1,\nb,0,\n")) == [("a", "1", ""), ("b", "0", "")]
    with pytest.raises(InputError, match="line 3: 3 fields"):
        table(tmp_path, "text,label\na,1\nb,0,\n")


# Settings


def test_the_report_says_how_each_part_is_written(tmp_path, caplog):
    (tmp_path / "train.csv").write_text(written(FILMS, delimiter=";"))
    (tmp_path / "test.tsv").write_text("text\tlabel\n" + "".join(f'"{text}\t{label}\n' for text, label in FILMS))
    with caplog.at_level(logging.WARNING):
        splits = load_splits(
            DataArguments(train_file=str(tmp_path / "train.csv"), test_file=str(tmp_path / "test.tsv"))
        )
    assert splits.notes["csv"] == {"train": "delimiter ';', quote \"", "test": "delimiter '\\t', no quotes"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("tab", "none"), CsvSettings("\t", "")),
        (("\\t", "double"), CsvSettings("\t", '"')),
        (("Semicolon", None), CsvSettings(";", None)),
        (("|", "'"), CsvSettings("|", "'")),
        ((None, ""), CsvSettings(None, "")),
    ],
)
def test_settings_are_characters_or_words(words, expected):
    assert CsvSettings.parse(*words) == expected


@pytest.mark.parametrize("words", [("::", None), ("", None), ("\n", None), ('"', None), (None, "quotes"), (";", ";")])
def test_settings_that_no_file_can_have_are_refused_by_their_flag(words):
    with pytest.raises(InputError, match="--csv_"):
        CsvSettings.parse(*words)


def test_a_file_that_needs_the_flags_is_read_with_them(tmp_path):
    (tmp_path / "x.txt.csv").write_text("text^label\n" + "".join(f"'{text}'^{label}\n" for text, label in FILMS))
    flags = {"csv_delimiter": "^", "csv_quote": "single"}
    splits = load_splits(DataArguments(train_file=str(tmp_path / "x.txt.csv"), **flags))
    assert all(re.fullmatch(r"the film , number \d+ , was (fine|dull)", text) for text in splits.train.texts)


def test_the_names_of_the_columns_again_are_no_row(tmp_path, caplog):
    content = written(FILMS[:20]) + written(FILMS[20:])
    assert rows_of(table(tmp_path, content)) == FILMS
    assert "line 22: the names of the columns again, which is no row; there are 1 of them" in caplog.text
    assert rows_of(table(tmp_path, "text\ngood\ntext\nbad\n")) == [("good",), ("text",), ("bad",)]
