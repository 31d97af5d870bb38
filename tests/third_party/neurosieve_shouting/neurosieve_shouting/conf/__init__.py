"""Presets: Hydra needs this file to find them."""
