"""All layers, one file each: this listing is the list of what Nacre can put around a model."""
