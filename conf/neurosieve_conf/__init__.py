"""Hydra configs: one primary config a command, one group a kind of plugin, presets."""
