"""The nouns: images, items, categories, labels and their journal, features, populations."""
