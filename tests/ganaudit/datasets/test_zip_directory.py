"""The directory of a zip archive, held against the standard library's."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganaudit.datasets import zip_directory
from ganaudit.datasets.zip_directory import Entry, NoDirectory, entries

NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=12)
FILES = st.lists(
    st.tuples(NAMES, st.binary(max_size=60), st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]), st.booleans()),
    max_size=6, unique_by=lambda file: file[0],
)  # fmt: skip


class Unseekable(io.BytesIO):
    """Then sizes follow the bytes, and the directory alone says them."""

    def seek(self, *_):
        raise OSError

    def tell(self):
        raise OSError


def archive(files, comment=b"", file=None):
    file = file or io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        opened.comment = comment
        for name, data, method, wide in files:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = method, 0o100644 << 16
            with opened.open(info, "w", force_zip64=wide) as member:
                member.write(data)
    return file.getvalue()


def by_zipfile(path):
    with zipfile.ZipFile(path) as opened:
        return [
            Entry(
                info.filename, info.flag_bits, info.compress_type, info.CRC, info.compress_size, info.file_size,
                info.header_offset, info.external_attr,
            )
            for info in opened.infolist() if not info.is_dir()
        ]  # fmt: skip


@settings(max_examples=40)
@given(FILES, st.binary(max_size=30), st.binary(max_size=30), st.booleans())
def test_it_is_the_standard_librarys(tmp_path_factory, files, comment, program, streamed):
    path = tmp_path_factory.mktemp("zip") / "x.zip"
    path.write_bytes(program + archive(files, comment, Unseekable() if streamed else None))
    assert list(entries(path)) == by_zipfile(path)


def test_numbers_that_32_bits_do_not_hold_stand_in_the_extra_field(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        for limit in ("ZIP64_LIMIT", "ZIP_FILECOUNT_LIMIT"):
            patched.setattr(zipfile, limit, 10)
        whole = archive([(f"{number}.png", bytes(30), zipfile.ZIP_STORED, True) for number in range(20)])
    path = tmp_path / "x.zip"
    path.write_bytes(b"program" + whole)
    assert b"PK\6\6" in whole and list(entries(path)) == by_zipfile(path)
    assert [entry.size for entry in entries(path)] == [30] * 20


def test_a_name_that_no_flag_says_is_utf_8_is_read_as_such_and_else_as_code_page_437(tmp_path):
    whole = archive([(name, b"", zipfile.ZIP_STORED, False) for name in ("aa.png", "bb.png")])
    (tmp_path / "x.zip").write_bytes(whole.replace(b"aa.png", "ä.png".encode()).replace(b"bb.png", b"\x84b.png"))
    assert [entry.name for entry in entries(tmp_path / "x.zip")] == ["ä.png", "äb.png"]


def test_whatever_is_damaged_is_told_or_changes_no_more_than_itself(tmp_path):
    path, whole = tmp_path / "x.zip", archive([(f"{n}.png", bytes([n]), zipfile.ZIP_STORED, n == 1) for n in range(3)], b"end")
    ended = 0
    for place in range(len(whole)):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
            path.write_bytes(damaged)
            try:
                assert len(list(entries(path))) <= 3
            except NoDirectory:
                ended += 1
    assert ended > len(whole)
    path.write_bytes(b"")
    with pytest.raises(NoDirectory, match="no directory at its end"):
        list(entries(path))


def test_an_archive_of_several_parts_and_one_of_a_later_format_are_told(tmp_path):
    path, whole = tmp_path / "x.zip", archive([("a.png", b"", zipfile.ZIP_STORED, False)])
    end, entry = whole.index(b"PK\5\6"), whole.index(b"PK\1\2")
    path.write_bytes(whole[: end + 4] + b"\1" + whole[end + 5 :])
    with pytest.raises(NoDirectory, match="several parts"):
        list(entries(path))
    path.write_bytes(whole[: entry + 6] + bytes([90]) + whole[entry + 7 :])
    with pytest.raises(NoDirectory, match="version 90"):
        list(entries(path))


def test_the_longest_comment_is_passed_over(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(archive([("a.png", b"a", zipfile.ZIP_STORED, False)], b"c" * zip_directory.COMMENT))
    assert [entry.name for entry in entries(path)] == ["a.png"]
