"""What is said: bytes to typed messages and back, pure. Knows nobody else in the house."""
