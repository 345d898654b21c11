"""The moving parts: connections of clients, connections to targets, and what carries bytes between them."""
