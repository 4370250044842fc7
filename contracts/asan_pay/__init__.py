"""What is said between Asan Pay ("ASAN ödəniş") and the gateway: JSON over HTTPS, signed by RFC 9421 both ways.

A documented guess: the technical annexes to Cabinet decision 341 of 26.10.2015 are not public (rules/facts.md). Known
from the statute is only that an integrated system is given the payment's date, time and operation number at once.
All names and paths stand in this package, so that the real annexes change nothing outside it.
"""
