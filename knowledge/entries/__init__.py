"""The knowledge base as shipped: one YAML file a category, `schema.json` describes an entry."""
