"""The pages for people, server-rendered; scripts only add live updates."""
