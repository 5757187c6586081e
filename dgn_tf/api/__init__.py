"""The front door for Python programs: what `import dgn_tf` gives, by the names it has there."""
