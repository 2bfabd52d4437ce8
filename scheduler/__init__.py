"""The brain: decides and plans, moves no rows."""
