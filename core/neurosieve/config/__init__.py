"""Hydra: plugins as configs, configs as plugins, and commands under it."""
