-- A new catalog, in a format that DuckDB clients from this version on can open; all of it or none.
ATTACH $path AS catalog (STORAGE_VERSION '$version');
USE catalog;
BEGIN;
