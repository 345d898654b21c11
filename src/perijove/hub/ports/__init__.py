"""What the hub needs from the world: one small type per file. Adapters implement them; fakes are in ``hub.testing``."""
