"""Hand-made records, for every room of the library."""

from handmade import block_tables as block_tables
from handmade import pictures as pictures
from handmade import run as run
from handmade import store as store
