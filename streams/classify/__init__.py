"""Reports to reports that a desk can act on: category, danger, facts, place."""
