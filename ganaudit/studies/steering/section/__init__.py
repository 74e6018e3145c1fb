"""What the report and the terminal say of steering."""
