"""The scoreboard measures what it says it measures."""
