"""Ways to say who somebody is. Each module holds one `Authenticator`, registered as an entry point like anyone's."""
