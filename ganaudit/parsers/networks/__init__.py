"""Networks of the parser families: importing one imports torch."""
