"""Who speaks: bytes, expectations and a time in, a verdict out. Knows `contracts` only."""
