"""Networks of the generator families: importing one imports torch."""
