"""The bundled readings."""
