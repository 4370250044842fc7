"""Asan Pay: collects deposits, participation fees and final amounts from bidders (EHR-8, EHR-11)."""
