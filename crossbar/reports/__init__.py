"""HTML, Markdown and tables; pictures are drawn in `crossbar.figures`."""
