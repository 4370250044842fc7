"""What can happen to each noun: frozen dataclasses named as past participles, the edges of the state tables."""
