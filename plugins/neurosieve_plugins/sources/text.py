"""Documents from text files."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

from neurosieve import ConfigError, DataError, Document, Source, check_fields
from neurosieve_plugins.compressed_files import COMPRESSED, open_unpacked
from neurosieve_plugins.record_files import check_file
from neurosieve_plugins.text_encodings import TextFile, encoding_of

__all__ = ["Text"]


@dataclass(frozen=True)
class Text(Source):
    """Plain text: a file, or the files of a folder and of the folders in it, compressed or not.

    A document's id is its file, with the line where it starts unless it is the whole file. Blank texts are left out.
    `file` in the metadata is the name of the file without its ending.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_text("One.\\nStill one.\\n\\nTwo.\\n")
    ...     documents = list(Text(folder, split="paragraph"))
    >>> [(document.id, document.text, document.group) for document in documents]
    [('a.txt:1', 'One.\\nStill one.', 'a.txt'), ('a.txt:4', 'Two.', 'a.txt')]
    """

    path: str
    """A file or a folder."""
    pattern: str = "**/*.txt"
    """Which files of a folder are read."""
    split: Literal["file", "paragraph", "line"] = "file"
    """What makes a document; blank lines part paragraphs."""
    group: Literal["file", "document"] = "file"
    """What splits keep together."""
    prompts_only: bool = False
    """Whether the texts are prompts without a completion: for detectors with `scope=prompt`, and
    `selection.unit=prompt_end`."""

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ConfigError("`path` of the source `text` is empty: give a file or a folder")
        if not self.pattern.strip() or Path(self.pattern).is_absolute():
            raise ConfigError(f"`pattern` of the source `text` is `{self.pattern}`: give one such as `**/*.txt`")
        check_fields(self, "the source `text`: ")

    def __iter__(self) -> Iterator[Document]:
        empty = True
        for name, file in self._files():
            unpacked = name.removesuffix(next((ending for ending in COMPRESSED if name.endswith(ending)), ""))
            metadata = {"path": str(file), "file": Path(unpacked).with_suffix("").as_posix()}
            for line, text in self._texts(_read(file)):
                empty = False
                identity = name if self.split == "file" else f"{name}:{line}"
                group = name if self.group == "file" else identity
                start = len(text) if self.prompts_only else 0
                yield Document(identity, text, group, start, metadata=metadata | {"line": line})
        if empty:
            raise DataError(f"there is nothing but blanks in {self.path}: give a file with some text")

    def _files(self) -> list[tuple[str, Path]]:
        """Return the name and path of each file, in the order of the names."""
        path = Path(self.path).expanduser()
        if not path.is_dir():
            check_file(path)
            return [(path.name, path)]
        files = [file for file in path.glob(self.pattern) if file.is_file()]
        if not files:
            endings = sorted({file.suffix or file.name for file in path.rglob("*") if file.is_file()})
            names = textwrap.shorten(", ".join(f"`{name}`" for name in endings), 200, placeholder=" …")
            known = f"there are files that end in {names}" if endings else "the folder holds no file"
            raise DataError(f"no file of {path} matches `pattern`, `{self.pattern}`; {known}: set `pattern`")
        return sorted((file.relative_to(path).as_posix(), file) for file in files)

    def _texts(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield each text of a file that is not blank, and the line where it starts."""
        if self.split == "file":
            if text.strip():
                yield 1, text
            return
        lines = [(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), start=1)]
        if self.split == "line":
            yield from ((number, line) for number, line in lines if line.strip())
            return
        for blank, block in groupby(lines, key=lambda numbered: not numbered[1].strip()):
            if not blank:
                (first, line), *others = block
                yield first, "\n".join([line, *(line for _, line in others)])


def _read(file: Path) -> str:
    try:
        with open_unpacked(file) as stream:
            return TextFile(file, stream, encoding_of(stream.peek(4))).read()
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}): check its permissions and its disk") from error
