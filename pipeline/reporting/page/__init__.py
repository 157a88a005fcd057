"""The page and its Markdown twin: templates, sliders, heatmaps, where it all came from."""
