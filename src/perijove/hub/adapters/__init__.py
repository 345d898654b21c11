"""What the hub needs from the world, one technology each. They do not know each other; only bootstrap knows them."""
