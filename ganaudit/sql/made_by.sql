-- Which store and which SQL a catalog was made for.
SELECT store, sql_digest FROM about;
