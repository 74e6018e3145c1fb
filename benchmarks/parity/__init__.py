"""What the published code of each family gives, against this package's, on the same random weights."""
