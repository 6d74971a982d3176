"""Pictures of a TCP conversation: what is drawn, and how it is drawn as an image or as a page."""
