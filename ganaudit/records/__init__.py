"""Records: their schema, the shard writer, the store, the catalog."""
