"""Each command's page: from the help of the command and what `entries` adds, in Markdown and as a man page."""
