"""Studies: what an audit does with its sources, one folder each."""
