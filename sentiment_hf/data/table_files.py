"""The files at a path that are read as one table: a file, the parts of a table in a folder, or texts by class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.data.class_folders import has_texts, read_class_folders
from sentiment_hf.data.files import SUFFIXES, read_file
from sentiment_hf.data.folders import files_in, first_of, say_left_out
from sentiment_hf.data.limits import require_size
from sentiment_hf.data.parts import Part, parts_of, split_of, table_names, whole_part
from sentiment_hf.data.table import NoRowsError, Table
from sentiment_hf.settings.csv_settings import CsvSettings


@dataclass(frozen=True)
class Files:
    """Files that are read as one table after the other.

    names: paths from `home`; no name if `home` is the only file.
    classed: whether they are texts in folders of their classes, which are one table.
    """

    home: Path
    names: Sequence[str] = ()
    classed: bool = False

    @property
    def paths(self) -> list[Path]:
        """The files themselves."""
        return [self.home / name for name in self.names] or [self.home]

    def read(self, flag: str, settings: CsvSettings, cache: Cache) -> list[Table]:
        """Their tables; of several files those without rows are left out and said.

        settings: for csv.
        cache: where large files lie unpacked.

        Raises:
            InputError: a file cannot be read, or none has rows.
        """
        if self.classed:
            return [read_class_folders(self.home, self.names)]
        if len(self.paths) == 1:
            return [read_file(self.paths[0], flag, settings, cache)]
        tables, empty = [], []
        for name in self.names:
            try:
                tables.append(read_file(self.home / name, flag, settings, cache))
            except NoRowsError:
                empty.append(name)
        say_left_out(f"{flag} {self.home}", "files without rows", empty)
        if not tables:
            raise InputError(f"{flag} {self.home}: none of its {len(empty)} files has rows")
        return tables


def files_at(path: Path, flag: str) -> Files:
    """The file at `path`, the texts in folders of their classes, or the tables in a folder, which are parts of one.

    Raises:
        InputError: the folder has neither, or tables of several splits; or a link leads out of it.
    """
    if not path.is_dir():
        return Files(path)
    names = files_in(path)
    folders = {name.partition("/")[0] for name in names if "/" in name}
    if has_texts(names) and not (folders and all(map(split_of, folders))):
        return Files(path, names, classed=True)
    tables = table_names(names)
    splits = {part.split for part in parts_of(tables)} | set(map(split_of, folders))
    if len(splits - {None}) > 1:
        raise InputError(
            f"{flag} {path} has several parts ({first_of(sorted(splits - {None}))}): name it by --dataset."
        )
    if not tables:
        raise InputError(
            f"{flag} {path}: expected tables ({', '.join(SUFFIXES)}), or one folder of .txt files per class, as in "
            f"{path}/neg/0.txt; found {first_of(names) or 'none'}."
        )
    return Files(path, whole_part(Part(path.name, tuple(tables), exact=False), f"{flag} {path}").files)


def read_one_table(path: Path, flag: str, most_bytes: int, settings: CsvSettings, cache: Cache) -> Table:
    """The only table at `path`, as `files_at` finds it; raises InputError if there are several, or it is too large."""
    files = files_at(path, flag)
    require_size(files.paths, most_bytes, cache)
    if len(files.paths) > 1 and not files.classed:
        raise InputError(f"{flag} {path} is a folder of {len(files.paths)} files; expected one file")
    return files.read(flag, settings, cache)[0]
