"""Ways to run a user's server. Each holds one `Spawner`, registered as an entry point like anyone's."""
