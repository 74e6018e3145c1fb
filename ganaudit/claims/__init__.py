"""Claims of papers about a system that is trained and audited here, each a measurement that says whether it held."""
