-- The catalog, to read.
ATTACH $path AS catalog (READ_ONLY);
USE catalog;
