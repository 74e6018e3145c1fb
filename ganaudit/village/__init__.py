"""The built-in world: its renderer, its models, how they were trained."""
