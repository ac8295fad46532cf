"""The odds models that oddspipe ships."""
