-- Which store this catalog belongs to, and which SQL made it: a moved store or newer SQL asks for a new catalog.
CREATE OR REPLACE VIEW about AS
SELECT $store AS store, $schema_version AS schema_version, $digest AS sql_digest;
