"""The sources of an audit file, opened: real and generated images alike, in batches of 8-bit pixels."""
