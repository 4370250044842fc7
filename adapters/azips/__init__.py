"""AZIPS: real-time gross settlement, for payments above what AÖS carries."""
