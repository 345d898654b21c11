"""What the hub needs from the world: one small type per file. Adapters implement them; fakes stand in ``hub.testing``."""
