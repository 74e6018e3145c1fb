"""What the report and the terminal say of class statistics, distances and verdicts."""
