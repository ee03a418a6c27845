"""Who is told what, and in which words: pure, synchronous, `now` is passed in."""
