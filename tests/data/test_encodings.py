"""A file that is not UTF-8 text is named for what it is, and the command that the message advises helps."""

import gzip
import re
import subprocess
import zipfile

import pytest

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.data.files import read_file
from sentiment_hf.data.table_files import read_one_table
from sentiment_hf.settings.csv_settings import CsvSettings

FILM = "text,label\n" + "".join(f"un café n° {row} à l’été,{row % 2}\n" for row in range(20))
PLAIN = FILM.replace("’", "'")


def refusal(path):
    with pytest.raises(InputError) as error:
        read_one_table(path, "--train_file", 10**9, CsvSettings(), Cache())
    assert len(str(error.value)) <= 500
    return str(error.value)


def advised(message, folder):
    """The table in the file that the command in the message writes."""
    command = re.search(r"`(.*?)`", message)[1]
    before = set(folder.iterdir())
    subprocess.run(command, shell=True, cwd=folder, check=True)
    (new,) = set(folder.iterdir()) - before
    return read_file(new, "--train_file")


@pytest.mark.parametrize(
    ("encoding", "content", "named"),
    [
        ("utf-16", FILM, "UTF-16"),
        ("utf-16-le", FILM, "UTF-16LE"),
        ("utf-16-be", FILM, "UTF-16BE"),
        ("utf-32", FILM, "UTF-32"),
        ("utf-32-be", FILM, "UTF-32BE"),
        ("latin-1", PLAIN, "LATIN1"),
        ("cp1252", FILM, "WINDOWS-1252"),
    ],
)
@pytest.mark.parametrize("name", ["films.csv", "a film's.csv", "films.tsv"])
def test_another_encoding_is_named_and_the_advice_helps(tmp_path, encoding, content, named, name):
    content = content.replace(",", "\t") if name.endswith("tsv") else content
    (tmp_path / name).write_bytes(content.encode(encoding))
    message = refusal(tmp_path / name)
    assert f"iconv -f {named} " in message
    table = advised(message, tmp_path)
    assert list(zip(*table.columns.values(), strict=True)) == [
        tuple(re.split(r"[\t,]", line)) for line in content.splitlines()[1:]
    ]


def test_an_encoding_that_cannot_be_told_is_left_to_the_user(tmp_path):
    texts = {"gb18030": "味道很好，送餐也快", "shift_jis": "とても美味しい", "cp1251": "хороший фильм"}
    for encoding, text in texts.items():
        (tmp_path / "x.csv").write_bytes(("text,label\n" + f"{text},1\n" * 9).encode(encoding))
        message = refusal(tmp_path / "x.csv")
        assert "line 2: not UTF-8" in message
        assert "iconv -f ENCODING" in message
        assert "LATIN1" not in message


@pytest.mark.parametrize("damage", ["a piece in another encoding", "cut"])
def test_a_utf8_file_with_a_damaged_line_is_not_converted_as_a_whole(tmp_path, damage):
    data = (FILM * 2).encode()
    damaged = data + b"caf\xe9,1\n" if damage != "cut" else data[: data.rindex("é".encode()) + 1]
    (tmp_path / "x.csv").write_bytes(damaged)
    message = refusal(tmp_path / "x.csv")
    assert re.search(r"line 4\d: not UTF-8.*mend this line", message)
    assert "iconv" not in message


PACKED = {
    "gzip": gzip.compress(FILM.encode()),
    "bzip2": b"BZh91AY&SY1234",
    "xz": b"\xfd7zXZ\0\0\4",
    "zstd": b"\x28\xb5\x2f\xfd\4\0",
    "xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99),
    "parquet": b"PAR1" + bytes(99),
    "web page": b"\n<!DOCTYPE html><html><body>Sign in</body></html>",
    "Git LFS.*git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
    "macOS": bytes.fromhex("00051607") + bytes(99),
    "SQLite": b"SQLite format 3\0",
    "PDF": b"%PDF-1.7\n",
}


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.json", "x.jsonl", "folder/pos/x.txt"])
@pytest.mark.parametrize("kind", PACKED)
def test_a_file_of_another_kind_is_named_whatever_its_name(tmp_path, kind, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PACKED[kind])
    message = refusal(path if name.startswith("x") else tmp_path / "folder")
    assert re.search(kind, message)
    assert str(path) in message
    assert "UTF-8" not in message.replace("CSV UTF-8", "")


@pytest.mark.parametrize("kind", ["gzip", "Git LFS.*git lfs pull", "web page", "xls"])
@pytest.mark.parametrize("name", ["x.parquet", "x.csv.gz", "x.xls"])
def test_a_file_of_another_kind_is_named_in_other_suffixes_too(tmp_path, kind, name):
    (tmp_path / name).write_bytes(PACKED[kind])
    assert re.search(kind, refusal(tmp_path / name))


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_the_advice_for_a_compressed_file_helps(tmp_path, name):
    (tmp_path / name).write_bytes(PACKED["gzip"])
    assert len(advised(refusal(tmp_path / name), tmp_path).columns["text"]) == 20


def test_archives_are_told_from_workbooks(tmp_path):
    for inner, named in (("train.csv", "zip archive; unpack it: `unzip"), ("xl/workbook.xml", "Excel workbook")):
        with zipfile.ZipFile(tmp_path / "x.csv", "w") as archive:
            archive.writestr("docProps/app.xml", "x" * 5000)
            archive.writestr(inner, FILM)
        assert named in refusal(tmp_path / "x.csv")


def test_a_text_that_is_about_such_files_is_a_text(tmp_path):
    (tmp_path / "x.csv").write_text("text,label\n%PDF-1.7 is a header,1\nversion https://git-lfs.github.com/spec/,0\n")
    assert len(read_file(tmp_path / "x.csv", "--train_file").columns["text"]) == 2
