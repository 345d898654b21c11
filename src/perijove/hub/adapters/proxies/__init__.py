"""Ways to send traffic to servers. Each holds one `Proxy`, registered as an entry point like anyone's."""
