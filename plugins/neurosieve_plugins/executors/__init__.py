"""The bundled executors."""
