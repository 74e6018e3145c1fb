"""What a table is made of: columns, and those that many tables share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ganaudit.errors import AuditError


@dataclass(frozen=True)
class Column:
    """One column: its name, its type, one sentence on what it means, and whether it may be NULL."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One table: what one row stands for, its columns in order, and the columns its rows are sorted by in a file.

    files: where its files lie in its folder, as a glob pattern.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    sort: tuple[str, ...] = ()
    files: str = ""

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Parquet file's schema."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    def from_rows(self, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
        """A table of these rows; a nullable column may be left out of a row. Raises AuditError like `conform`."""
        rows = [dict(row) for row in rows]
        known = {column.name for column in self.columns}
        strange = sorted({name for row in rows for name in row} - known)
        if strange:
            raise AuditError(f"the table {self.name} has no column {strange[0]!r}; it has {', '.join(sorted(known))}")
        return self.conform(pa.table({name: [row.get(name) for row in rows] for name in self.arrow.names}))

    def conform(self, table: pa.Table) -> pa.Table:
        """The same rows with exactly this table's columns, types and order of rows.

        Raises AuditError for a missing or additional column, a value that does not fit its type, a NULL where none may
        be, and NaN or infinity anywhere.
        """
        names = [column.name for column in self.columns]
        if sorted(table.column_names) != sorted(names):
            raise AuditError(
                f"rows for the table {self.name} have the columns {', '.join(table.column_names)}; "
                f"they must have {', '.join(names)}"
            )
        columns = [self._values(column, table[column.name]) for column in self.columns]
        conformed = pa.table(columns, schema=self.arrow)
        return conformed.sort_by([(name, "ascending") for name in self.sort]) if self.sort else conformed

    def _values(self, column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
        where = f"the column {column.name} of the table {self.name}"
        try:
            values = values if values.type == column.type else values.cast(column.type)
        except pa.ArrowInvalid as error:
            raise AuditError(f"{where} holds a value that is not {column.type}: {error}") from None
        if values.null_count and not column.nullable:
            raise AuditError(f"{where} holds NULL, which it may not")
        if pa.types.is_floating(column.type) and pc.all(pc.is_finite(values)).as_py() is False:
            raise AuditError(f"{where} holds NaN or infinity; a number that cannot be computed is NULL")
        return values


@dataclass(frozen=True)
class Shards:
    """Tables of one shard: written in this order, `mark` last: a shard of that says that all of them are there.

    may_lack: those that not every shard has. whole: those that have a row for every image of the mark. indexed: whether a
    shard's name gives the indices of its images, or their places in a list.
    """

    beside: tuple[Table, ...]
    mark: Table
    may_lack: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    indexed: bool = True

    @property
    def tables(self) -> tuple[Table, ...]:
        return (*self.beside, self.mark)


OF_KEY = "key=k*/shard-*-*.parquet"

STRING, FLOAT, REAL = pa.string(), pa.float64(), pa.float32()
BYTE2, BYTE4, BYTE8 = pa.int16(), pa.int32(), pa.int64()
YES_NO = pa.bool_()
HASH = pa.uint64()
WIDE = pa.decimal128(38)
TIME = pa.timestamp("us", "UTC")

KEY = Column("key", STRING, "Content key of the source: 'k' and hexadecimal digits.")
IMAGE = Column("image", BYTE8, "Index of the image: its latent's number, or its place in the source's order.")
PARSER_KEY = Column("parser_key", STRING, "Content key of the parser: 'p' and hexadecimal digits.")
CLASS_ID = Column("class_id", BYTE2, "Number of the class; 0 is void.")
CLASS = Column("class", STRING, "Name of the class.")
RUN = Column("run", STRING, "Identifier of the run.")
REAL_NAME = Column("real", STRING, "Name of the source of real images.")
GENERATOR = Column("generator", STRING, "Name of the generator.")


def pair(name: str, unit: str) -> tuple[Column, ...]:
    """The six columns of one measure: real, generated and their ratio, each with its standard error."""
    spread = f"Standard error of {name}"
    return (
        Column(f"real_{name}", FLOAT, f"{unit}, in the real images.", True),
        Column(f"real_{name}_se", FLOAT, f"{spread} in the real images.", True),
        Column(f"generated_{name}", FLOAT, f"{unit}, in the generated images.", True),
        Column(f"generated_{name}_se", FLOAT, f"{spread} in the generated images.", True),
        Column(f"{name}_ratio", FLOAT, f"Generated {name} divided by real {name}; NULL where that is 0.", True),
        Column(f"{name}_ratio_se", FLOAT, f"Standard error of {name}_ratio, by the delta method.", True),
    )


def interval(name: str, what: str) -> tuple[Column, ...]:
    """A number and the ends of its interval at 1 - decide.alpha."""
    return (
        Column(name, FLOAT, f"{what}.", True),
        Column(f"{name}_low", FLOAT, f"Lower end of the interval of {name}.", True),
        Column(f"{name}_high", FLOAT, f"Upper end of the interval of {name}.", True),
    )
