"""Files that an audit names and lacks: which they are, and their download, which happens only where it is asked for."""
