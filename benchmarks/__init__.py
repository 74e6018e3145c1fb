"""What measures: speed, memory, and what the statistics and searches are worth."""
